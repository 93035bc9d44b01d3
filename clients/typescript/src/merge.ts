/**
 * A three-way merge of texts by paragraphs. It is the server's own law (`backend/stories/merge.py`), step by step, so that what an
 * editor shows is what the server would write; the tests compare both on examples that the server's code has made.
 */

/** Text that at most one side changed, or both in the same way. */
export interface Clean {
  kind: "CLEAN";
  text: string;
}

/** Text that both sides changed differently. An empty side deleted it. */
export interface Collision {
  kind: "COLLISION";
  base: string;
  mine: string;
  theirs: string;
}

/** A piece of a merged text. All pieces in order, with one side of each collision, are the text. */
export type Part = Clean | Collision;

type Maybe = string | undefined;
type Three = [Maybe, Maybe, Maybe];

/** Paragraphs, the blank lines after each (none after the last), and what stands before and after all. */
interface Text {
  paragraphs: string[];
  gaps: Maybe[];
  head: Maybe;
  foot: Maybe;
}

/** Paragraphs of base from `start` to `end` became those of a side from `sideStart` to `sideEnd`; `added` may be negative. */
interface Change {
  start: number;
  end: number;
  sideStart: number;
  sideEnd: number;
  added: number;
}

type Group = [Change[], Change[]];
interface Row {
  texts: Three;
  gaps: Three;
}

const MAX_COMPARISONS = 100_000_000;
const LINE_END = "(?:\\r\\n|\\n|\\r(?!\\n))";
const GAP = new RegExp(`(${LINE_END}(?:[ \\t]*${LINE_END})+)`);

const collision = (base: string, mine: string, theirs: string): Part => ({ kind: "COLLISION", base, mine, theirs });
const clean = (text: string): Part => ({ kind: "CLEAN", text });

/** The parts of the merge of `mine` and `theirs`, both based on `base`, in order. */
export function threeWay(base: string, mine: string, theirs: string): Part[] {
  if (mine === theirs || theirs === base) return mine ? [clean(mine)] : [];
  if (mine === base) return theirs ? [clean(theirs)] : [];
  const texts = [base, mine, theirs].map(split);
  const parts = partsOf(texts, rowsOf(texts));
  const text = merged(parts);
  return text !== null && !isLawful([...texts, split(text)].map((one) => one.paragraphs))
    ? [collision(base, mine, theirs)]
    : parts;
}

/** The merged text, or null if there are collisions. */
export const merged = (parts: readonly Part[]): string | null =>
  parts.every((part) => part.kind === "CLEAN") ? parts.map((part) => (part as Clean).text).join("") : null;

// --- Splitting a text

function split(text: string): Text {
  if (!/[^ \t\r\n]/.test(text)) return { paragraphs: [], gaps: [], head: undefined, foot: undefined };
  // Spaces next to a paragraph belong to it: an indentation, or a hard line break.
  const head = text.match(/^[ \t\r\n]*/)![0].replace(/[ \t]+$/, "");
  const foot = text.match(/[ \t\r\n]*$/)![0].replace(/^[ \t]+/, "");
  const pieces = text.slice(head.length, text.length - foot.length).split(GAP);
  const every = (first: number) => pieces.filter((_, index) => index % 2 === first);
  return { paragraphs: every(0), gaps: [...every(1), undefined], head, foot };
}

const part = (text: Text, start: number, size: number): Text => ({
  paragraphs: text.paragraphs.slice(start, start + size),
  gaps: text.gaps.slice(start, start + size),
  head: undefined,
  foot: undefined,
});

const inside = ({ paragraphs, gaps }: Text): Maybe =>
  paragraphs.length
    ? paragraphs.map((text, index) => text + ((index < paragraphs.length - 1 && gaps[index]) || "")).join("")
    : undefined;

const sameList = (one: readonly unknown[], other: readonly unknown[]) =>
  one.length === other.length && one.every((value, index) => value === other[index]);

// --- What one side changed

function changesOf(base: string[], side: string[]): Change[] {
  const found: Change[] = [];
  let at = 0;
  let sideAt = 0;
  const change = (start: number, end: number, sideStart: number, sideEnd: number) =>
    found.push({ start, end, sideStart, sideEnd, added: sideEnd - sideStart - (end - start) });
  for (const [start, sideStart, size] of [...common(base, side), [base.length, side.length, 0] as const]) {
    if (sideStart - sideAt === start - at && (start - at) ** 2 <= MAX_COMPARISONS) {
      // As many paragraphs as before: each counts as edited separately, and can collide separately.
      for (let i = 0; i < start - at; i++) change(at + i, at + i + 1, sideAt + i, sideAt + i + 1);
    } else change(at, start, sideAt, sideStart);
    at = start + size;
    sideAt = sideStart + size;
  }
  return found;
}

/** The runs of paragraphs common to both, in order: the position in each, and the length. */
function common(base: string[], side: string[]): [number, number, number][] {
  const most = Math.min(base.length, side.length);
  let head = 0;
  while (head < most && base[head] === side[head]) head++;
  let foot = 0;
  while (foot < most - head && base.at(-1 - foot) === side.at(-1 - foot)) foot++;
  const before = base.slice(head, base.length - foot);
  const after = side.slice(head, side.length - foot);
  const runs: [number, number, number][] = [[0, 0, head]];
  if (before.length * after.length <= MAX_COMPARISONS)
    for (const [col, row] of longest(before, after)) runs.push([head + col, head + row, 1]);
  return [...runs, [base.length - foot, side.length - foot, foot]];
}

/** A longest common subsequence, as pairs of positions; of several the one that rapidfuzz's LCSseq finds. */
function longest(before: string[], after: string[]): [number, number][] {
  const width = before.length;
  const flat: Uint8Array[] = []; // a bit for each pair of positions: whether the length there is that of one column before
  let above = new Uint32Array(width + 1);
  for (const text of after) {
    const here = new Uint32Array(width + 1);
    const bits = new Uint8Array((width >> 3) + 1);
    for (let col = 0; col < width; col++) {
      here[col + 1] = before[col] === text ? above[col]! + 1 : Math.max(above[col + 1]!, here[col]!);
      if (here[col + 1] === here[col]) bits[col >> 3]! |= 1 << (col & 7);
    }
    flat.push(bits);
    above = here;
  }
  const found: [number, number][] = [];
  const isFlat = (row: number, col: number) => (flat[row - 1]![(col - 1) >> 3]! >> ((col - 1) & 7)) & 1;
  for (let col = width, row = after.length; row && col; ) {
    if (isFlat(row, col)) col--;
    else if (--row && !isFlat(row, col)) continue;
    else found.push([--col, row]);
  }
  return found.reverse();
}

// --- What both changed

/** Whether changes overlap, or both add paragraphs at the same place, where their order is undefined. */
const collide = (one: Change, other: Change) =>
  one.end === other.start || other.end === one.start
    ? one.added > 0 && other.added > 0
    : one.start < other.end && other.start < one.end;

/** All changes in the order of base; those of both sides that collide are in one group. */
function groupsOf(sides: Change[][]): Group[] {
  const all = sides.flatMap((changes, side) => changes.map((change) => ({ side: side as 0 | 1, change })));
  all.sort((one, other) => one.change.start - other.change.start || one.change.end - other.change.end);
  const groups: Group[] = [];
  let group: Group | undefined;
  for (const { side, change } of all) {
    // Only the other side's latest change can reach as far as this one.
    const rival: Change | undefined = group?.[side ? 0 : 1].at(-1);
    if (!group || !rival || !collide(change, rival)) groups.push((group = [[], []]));
    group[side].push(change);
  }
  return groups;
}

const span = (group: Group) => ({
  start: Math.min(...group.flat().map((change) => change.start)),
  end: Math.max(...group.flat().map((change) => change.end)),
});

const isBoth = (group: Group) => group[0].length > 0 && group[1].length > 0;

// --- Moved paragraphs

/** Groups in which one side took a paragraph away, or put the same one back: the first, the last, and all. */
interface Move {
  first: number;
  last: number;
  side: number;
  ends: number[];
}

/** The groups; where moves of the two sides meet, or a move meets another change, all from end to end are one group. */
function untangled(groups: Group[], texts: Text[]): Group[] {
  const found: Group[] = [];
  let done = 0;
  for (const moves of crossing(movesOf(groups, texts))) {
    const ends = moves.flatMap((move) => move.ends).map((number) => groups[number]!);
    const same = ends.every((group) => isBoth(group) && isAlike(group, texts));
    if (!same && (new Set(moves.map((move) => move.side)).size > 1 || ends.some(isBoth))) {
      const first = moves[0]!.first;
      const last = Math.max(...moves.map((move) => move.last));
      const joined = groups.slice(first, last + 1);
      found.push(...groups.slice(done, first), [joined.flatMap(([mine]) => mine), joined.flatMap(([, theirs]) => theirs)]);
      done = last + 1;
    }
  }
  return [...found, ...groups.slice(done)];
}

function movesOf(groups: Group[], texts: Text[]): Move[] {
  return [0, 1].flatMap((side) => {
    const balances = new Map<string, Map<number, number>>();
    groups.forEach((group, number) => {
      const count = (paragraphs: string[], by: number) => {
        for (const text of paragraphs) {
          const balance = balances.get(text) ?? new Map<number, number>();
          balances.set(text, balance.set(number, (balance.get(number) ?? 0) + by));
        }
      };
      for (const change of group[side as 0 | 1]) {
        count(texts[side + 1]!.paragraphs.slice(change.sideStart, change.sideEnd), 1);
        count(texts[0]!.paragraphs.slice(change.start, change.end), -1);
      }
    });
    return [...balances.values()].flatMap((balance) => {
      const counts = [...balance].filter(([, count]) => count);
      const ends = counts.map(([number]) => number).sort((one, other) => one - other);
      const isMove = counts.some(([, count]) => count > 0) && counts.some(([, count]) => count < 0);
      return isMove ? [{ first: ends[0]!, last: ends.at(-1)!, side, ends }] : [];
    });
  });
}

/** The moves in lists of those that overlap. */
function crossing(moves: Move[]): Move[][] {
  const found: Move[][] = [];
  let last = -1;
  for (const move of moves.sort((one, other) => one.first - other.first)) {
    if (!found.length || move.first > last) found.push([]);
    found.at(-1)!.push(move);
    last = Math.max(last, move.last);
  }
  return found;
}

/** Whether both sides have the same where the group is. */
function isAlike(group: Group, texts: Text[]): boolean {
  const { start, end } = span(group);
  const [mine, theirs] = group.map((changes, side) => {
    // Around its changes a side has the same paragraphs as base.
    const [first, last] = [changes[0]!, changes.at(-1)!];
    return texts[side + 1]!.paragraphs.slice(first.sideStart - (first.start - start), last.sideEnd + end - last.end);
  });
  return sameList(mine!, theirs!);
}

// --- The merged text

function rowsOf(texts: Text[]): Row[] {
  const base = texts[0]!;
  const rows: Row[] = [];
  let at = [0, 0, 0];
  const unchanged = (size: number) => {
    const [all, mine, theirs] = texts.map((text, side) => part(text, at[side]!, size));
    all!.paragraphs.forEach((text, index) =>
      rows.push({ texts: [text, text, text], gaps: settled(all!.gaps[index], mine!.gaps[index], theirs!.gaps[index]) }),
    );
    at = at.map((place) => place + size);
  };
  for (const group of untangled(groupsOf(texts.slice(1).map((side) => changesOf(base.paragraphs, side.paragraphs))), texts)) {
    const { start, end } = span(group);
    unchanged(start - at[0]!);
    const added = group.map((changes) => changes.reduce((sum, change) => sum + change.added, 0));
    const sizes = [0, ...added].map((more) => end - start + more);
    rows.push(...changed(texts.map((text, side) => part(text, at[side]!, sizes[side]!)), group));
    at = at.map((place, side) => place + sizes[side]!);
  }
  unchanged(base.paragraphs.length - at[0]!);
  return rows;
}

/** Rows of what one side changed, or both alike; a single row if both changed it differently. */
function changed(texts: Text[], group: Group): Row[] {
  const [base, mine, theirs] = texts as [Text, Text, Text];
  const last = settled(base.gaps.at(-1), mine.gaps.at(-1), theirs.gaps.at(-1));
  if (isBoth(group) && !sameList(mine.paragraphs, theirs.paragraphs))
    return [{ texts: [inside(base), inside(mine), inside(theirs)], gaps: last }];
  const [one, other] = [group[0].length ? mine : theirs, group[1].length ? theirs : mine];
  const end = one.paragraphs.length - 1;
  return one.paragraphs.map((text, index) =>
    index === end
      ? { texts: [inside(base), text, text], gaps: last }
      : { texts: [undefined, text, text], gaps: settled(undefined, one.gaps[index], other.gaps[index]) },
  );
}

/** The blank lines at one place: mine and theirs are equal afterwards, unless both changed them differently. */
function settled(base: Maybe, mine: Maybe, theirs: Maybe): Three {
  // A version without the place has no opinion.
  [mine, theirs] = [mine ?? theirs, theirs ?? mine];
  if (mine === undefined) return [base, base, base];
  return mine === base ? [base, theirs, theirs] : theirs === base ? [base, mine, mine] : [base, mine, theirs];
}

/** The rows as text: adjacent rows of the same kind become one part. */
function partsOf(texts: Text[], rows: Row[]): Part[] {
  const heads = settled(...(texts.map((text) => text.head) as Three));
  const feet = settled(...(texts.map((text) => text.foot) as Three));
  const [base, mine, theirs] = [0, 1, 2].map((side) => {
    const last = rows.findLastIndex((row) => row.texts[side] !== undefined);
    return [
      last < 0 ? "" : (heads[side] ?? ""),
      ...rows.flatMap((row, index) => {
        const text = row.texts[side];
        if (text === undefined) return ["", ""];
        // Base is shown unchanged, also if the text after it was deleted in the merge.
        const isLast = side ? index === last : row.gaps[0] === undefined;
        return [text, isLast ? (feet[side] ?? "") : row.gaps[side] || "\n\n"];
      }),
    ];
  });
  const parts: { same: boolean; texts: [string, string, string] }[] = [];
  mine!.forEach((one, index) => {
    const texts: [string, string, string] = [base![index]!, one, theirs![index]!];
    const same = one === texts[2];
    const before = parts.at(-1);
    if (!one && same) return;
    if (before?.same === same) before.texts = before.texts.map((text, side) => text + texts[side]) as typeof texts;
    else parts.push({ same, texts });
  });
  return parts.map(({ texts }) => (texts[1] === texts[2] ? clean(texts[1]) : collision(...texts)));
}

// --- What every merged text must be: counted again from the four texts alone

/** Whether of base, mine, theirs and now no paragraph is lost, doubled, or back in an old place (`merge_law.py`). */
function isLawful(versions: string[][]): boolean {
  const counts = versions.map((paragraphs) => {
    const count = new Map<string, number>();
    for (const text of paragraphs) count.set(text, (count.get(text) ?? 0) + 1);
    return count;
  });
  for (const text of new Set(versions.flat())) {
    const [base, ...others] = counts.map((count) => count.get(text) ?? 0);
    const [byMe, byThem, now] = others.map((count) => count - base!) as [number, number, number];
    const all = byMe + byThem;
    const alike = byMe * byThem > 0 ? (Math.abs(byThem) > Math.abs(byMe) ? byThem : byMe) : all;
    if (now < Math.min(alike, all) || now > Math.max(alike, all)) return false;
  }
  const once = versions[0]!.filter((text) => counts.every((count) => count.get(text) === 1));
  const places = new Map(once.map((text, place) => [text, place]));
  const [mine, theirs, now] = versions.slice(1).map((texts) =>
    texts.flatMap((text) => places.get(text) ?? []),
  ) as [number[], number[], number[]];
  // Cut where all versions have the same ones before the cut: between two cuts at most one order may differ from base's.
  for (let start = 0, reach = -1, end = 1; end <= now.length; end++) {
    reach = Math.max(reach, mine[end - 1]!, theirs[end - 1]!, now[end - 1]!);
    if (reach >= end) continue;
    const [one, other, is] = [mine, theirs, now].map((order) => `${order.slice(start, end)}`);
    const was = `${once.slice(start, end).map((_, index) => start + index)}`;
    const due = one === was ? other : other === was || other === one ? one : undefined;
    if (is !== due) return false;
    start = end;
  }
  return true;
}
