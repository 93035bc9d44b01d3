// Shows the conflicts of an answer below it: the base that both sides knew, mine and theirs, side by side.

const SIDES = [
  ["base", "Base", "what both knew"],
  ["mine", "Mine", "what was sent, and not written"],
  ["theirs", "Theirs", "what stands there now"],
];

// Fills `place` with a part for each overlap in the answer, and is empty where there is none.
export function showConflicts(place, answer) {
  const found = overlapsIn(answer?.data);
  place.hidden = !found.length;
  place.replaceChildren(...found.map(comparison));
}

// Each overlap with the answer's name for the mutation that met it. Some mutations answer a list.
export function overlapsIn(data) {
  const answers = Object.entries(data ?? {}).flatMap(([name, value]) => [value].flat().map((one) => [name, one?.overlaps]));
  return answers.flatMap(([name, overlaps]) => (Array.isArray(overlaps) ? overlaps.map((one) => ({ name, ...one })) : []));
}

// The paragraphs of one side: what is the same on all three is only counted, and `tag` says how the rest differs from the base.
export function paragraphs(overlap, side) {
  const parts = Object.fromEntries(SIDES.map(([key]) => [key, split(overlap[key])]));
  const isIn = (text, key) => parts[key].includes(text);
  const tagOf = (text) => (side === "base" ? "del" : isIn(text, "base") ? "p" : "ins");
  return parts[side].reduce((shown, text) => {
    if (!SIDES.every(([key]) => isIn(text, key))) return [...shown, { text, tag: tagOf(text) }];
    const last = shown.at(-1);
    return last?.same ? [...shown.slice(0, -1), { same: last.same + 1 }] : [...shown, { same: 1 }];
  }, []);
}

const split = (value) => (typeof value === "string" ? value : JSON.stringify(value ?? null, null, 2)).split(/\n{2,}/);

function comparison(overlap) {
  const group = make("section", { className: "conflict" });
  group.setAttribute("aria-label", `Conflict: ${overlap.path} of ${overlap.name}`);
  const sides = make("div", { className: "sides" }, ...SIDES.map((side) => column(overlap, ...side)));
  group.append(make("h2", { textContent: `Conflict: ${overlap.path}` }), sides);
  return group;
}

function column(overlap, key, title, meaning) {
  const heading = make("h3", {}, title, make("small", { textContent: ` ${meaning}` }));
  const side = make("section", { className: "side", tabIndex: 0 }, heading);
  side.setAttribute("aria-label", `${title}: ${meaning}`);
  const missing = missingIn(overlap, key);
  side.append(...(missing ? [make("p", { textContent: missing })] : paragraphs(overlap, key).map(paragraph)));
  return side;
}

// Why a side has no value to show, if it has none.
export function missingIn(overlap, key) {
  if (overlap[key] === undefined) return `Not asked for: add ${key} to overlaps.`;
  return key === "base" && overlap.base === null ? "Not known any more." : "";
}

function paragraph({ text, tag, same }) {
  const count = same === 1 ? "1 paragraph" : `${same} paragraphs`;
  if (same) return make("p", { className: "same", textContent: `${count}, the same on all sides` });
  return make("p", {}, tag === "p" ? text : make(tag, { textContent: text }));
}

function make(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}
