"""A three-way merge of texts by paragraphs.

A text is split into paragraphs and the blank lines between them. Only paragraphs decide what was changed;
the blank lines go with the paragraph before them and are merged separately, so that two paragraphs never run together
and an added paragraph does not count as a change to the one before it.

A merge is what both sides' changes make of base, or it is a collision. What either side deleted is gone; what either side
wrote is there, once if both wrote it at the same place; what one side moved is where that side put it. A paragraph that one
side moved and the other moved elsewhere, deleted or edited is a collision, and so are moves of both that cross. `merge_law`
looks at every merged text again.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import NamedTuple

from rapidfuzz.distance import LCSseq

from backend.stories.merge_law import is_lawful

MAX_COMPARISONS = 100_000_000
"""The limit of paragraph pairs in one comparison: about 50 ms and 15 MB. Beyond it, everything between is one change."""

LINE_END = r"(?:\r\n|\n|\r(?!\n))"
GAP = re.compile(rf"({LINE_END}(?:[ \t]*{LINE_END})+)")
"""A line's end and one or more blank lines, as the CommonMark Spec 0.31.2, section 2.1, defines the two."""
BLANK_LINE = "\n\n"
"""The separator if no version has one. No such case is known, but paragraphs must never be joined."""

Three = tuple[str | None, str | None, str | None]
"""The text at one place in base, mine and theirs; None in a version without that place."""


@dataclass(frozen=True)
class Clean:
    """Text that at most one side changed, or both in the same way."""

    text: str


@dataclass(frozen=True)
class Collision:
    """Text that both sides changed differently. An empty side deleted it."""

    base: str
    mine: str
    theirs: str


Part = Clean | Collision


def three_way(base: str, mine: str, theirs: str) -> list[Part]:
    """The parts of the merge of `mine` and `theirs`, both based on `base`, in order."""
    if mine == theirs or theirs == base:
        return [Clean(mine)] if mine else []
    if mine == base:
        return [Clean(theirs)] if theirs else []
    texts = (_split(base), _split(mine), _split(theirs))
    parts = _parts(texts, list(_rows(*texts)))
    text = merged(parts)
    if text is not None and not is_lawful(*(version.paragraphs for version in (*texts, _split(text)))):
        return [Collision(base, mine, theirs)]
    return parts


def merged(parts: Sequence[Part]) -> str | None:
    """The merged text, or None if there are collisions."""
    texts = [part.text for part in parts if isinstance(part, Clean)]
    return "".join(texts) if len(texts) == len(parts) else None


def suggestion(parts: Sequence[Part]) -> list[dict[str, str]]:
    """The parts as JSON, each with its `kind`."""
    return [
        {"kind": "CLEAN", "text": part.text}
        if isinstance(part, Clean)
        else {"kind": "COLLISION", "base": part.base, "mine": part.mine, "theirs": part.theirs}
        for part in parts
    ]


# --- Splitting a text ---------------------------------------------------------------------------------------


class _Text(NamedTuple):
    """A text's paragraphs, the blank lines after each (None after the last), and the whitespace before and after all."""

    paragraphs: list[str]
    gaps: list[str | None]
    head: str | None
    foot: str | None

    def part(self, start: int, size: int) -> "_Text":
        """Some of the paragraphs, with the blank lines after each."""
        return _Text(self.paragraphs[start : start + size], self.gaps[start : start + size], None, None)

    @property
    def inside(self) -> str | None:
        """All of the text from its first paragraph to its last, or None if it has none."""
        pairs = zip(self.paragraphs, [*self.gaps[:-1], None], strict=True)
        return "".join(text + (gap or "") for text, gap in pairs) if self.paragraphs else None

    @property
    def last_gap(self) -> str | None:
        """The blank lines after the last paragraph, or None if nothing follows."""
        return self.gaps[-1] if self.gaps else None


def _split(text: str) -> _Text:
    blank, white = " \t", " \t\r\n"
    if not text.strip(white):
        return _Text([], [], None, None)
    # Spaces next to a paragraph belong to it: an indentation, or a hard line break.
    head = text[: len(text) - len(text.lstrip(white))].rstrip(blank)
    foot = text[len(text.rstrip(white)) :].lstrip(blank)
    pieces = GAP.split(text[len(head) : len(text) - len(foot)])
    return _Text(pieces[0::2], [*pieces[1::2], None], head, foot)


# --- What one side changed ----------------------------------------------------------------------------------


class _Change(NamedTuple):
    """The paragraphs of base from `start` up to `end` became those of one side from `side_start` up to `side_end`."""

    start: int
    end: int
    side_start: int
    side_end: int

    @property
    def added(self) -> int:
        """How many paragraphs were added (negative: removed)."""
        return (self.side_end - self.side_start) - (self.end - self.start)


def _changes(base: list[str], side: list[str]) -> Iterator[_Change]:
    """The changes from `base` to `side`, in order."""
    at, side_at = 0, 0
    for start, side_start, size in [*_common(base, side), (len(base), len(side), 0)]:
        change = _Change(at, start, side_at, side_start)
        if change.added == 0 and (start - at) ** 2 <= MAX_COMPARISONS:
            # As many paragraphs as before: each counts as edited separately, and can collide separately.
            yield from (_Change(at + i, at + i + 1, side_at + i, side_at + i + 1) for i in range(start - at))
        else:
            yield change
        at, side_at = start + size, side_start + size


def _common(base: list[str], side: list[str]) -> Iterator[tuple[int, int, int]]:
    """The runs of paragraphs common to both, in order: the position in each, and the length."""
    head = _same(base, side)
    foot = _same(base[head:][::-1], side[head:][::-1])
    yield 0, 0, head
    before, after = base[head : len(base) - foot], side[head : len(side) - foot]
    if len(before) * len(after) <= MAX_COMPARISONS:
        # The library compares hashes, which may collide; unique numbers cannot.
        numbers: dict[str, int] = {}
        for text in (*before, *after):
            numbers.setdefault(text, len(numbers))
        for code in LCSseq.opcodes([numbers[text] for text in before], [numbers[text] for text in after]):
            if code.tag == "equal":
                yield head + code.src_start, head + code.dest_start, code.src_end - code.src_start
    yield len(base) - foot, len(side) - foot, foot


def _same(one: list[str], other: list[str]) -> int:
    """The length of the common prefix, in paragraphs."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))


# --- What both changed --------------------------------------------------------------------------------------


def _collide(one: _Change, other: _Change) -> bool:
    """Whether changes of the two sides overlap, or both add paragraphs at the same place, where their order is undefined."""
    if one.end == other.start or other.end == one.start:
        return one.added > 0 and other.added > 0
    return one.start < other.end and other.start < one.end


_Group = tuple[list[_Change], list[_Change]]
"""Changes of mine and of theirs that collide with each other, or one change alone."""


def _groups(mine: list[_Change], theirs: list[_Change]) -> Iterator[_Group]:
    """All changes in the order of base; those that collide are grouped."""
    sides = [(0, change) for change in mine] + [(1, change) for change in theirs]
    group: _Group = ([], [])
    for side, change in sorted(sides, key=lambda found: (found[1].start, found[1].end)):
        # Only the other side's latest change can reach as far as this one.
        rivals = group[1 - side][-1:]
        if any(group) and not any(_collide(change, rival) for rival in rivals):
            yield group
            group = ([], [])
        group[side].append(change)
    if any(group):
        yield group


def _span(group: _Group) -> tuple[int, int]:
    """Where in base the group starts and ends."""
    changes = [change for side in group for change in side]
    return min(change.start for change in changes), max(change.end for change in changes)


# --- Moved paragraphs ---------------------------------------------------------------------------------------


class _Move(NamedTuple):
    """Groups of changes in which one side took a paragraph away, or put the same one back: the first, the last, and all."""

    first: int
    last: int
    side: int
    ends: tuple[int, ...]


def _untangled(groups: list[_Group], texts: Sequence[_Text]) -> Iterator[_Group]:
    """The groups; where moves of the two sides meet, or a move meets another change, all from end to end are one group."""
    both = {number for number, group in enumerate(groups) if all(group)}
    alike = {number for number in both if len({tuple(side) for side in _sides(groups[number], texts)}) == 1}
    done = 0
    for moves in _crossing(sorted(_moves(groups, texts))):
        same = all(alike.issuperset(move.ends) for move in moves)
        meets = len({move.side for move in moves}) > 1 or any(not both.isdisjoint(move.ends) for move in moves)
        if meets and not same:
            first, last = moves[0].first, max(move.last for move in moves)
            yield from groups[done:first]
            mine, theirs = zip(*groups[first : last + 1], strict=True)
            yield list(chain(*mine)), list(chain(*theirs))
            done = last + 1
    yield from groups[done:]


def _moves(groups: list[_Group], texts: Sequence[_Text]) -> Iterator[_Move]:
    """The moves of both sides. Of equal paragraphs each that was taken away may be any that was put back."""
    for side, text in enumerate(texts[1:]):
        balance: Counter[tuple[str, int]] = Counter()
        for number, group in enumerate(groups):
            for change in group[side]:
                put = text.paragraphs[change.side_start : change.side_end]
                taken = texts[0].paragraphs[change.start : change.end]
                balance.update((paragraph, number) for paragraph in put)
                balance.subtract((paragraph, number) for paragraph in taken)
        ends: tuple[dict[str, list[int]], dict[str, list[int]]] = (defaultdict(list), defaultdict(list))
        for (paragraph, number), count in balance.items():
            if count:
                ends[count > 0][paragraph].append(number)
        for paragraph in ends[0].keys() & ends[1].keys():
            numbers = sorted(ends[0][paragraph] + ends[1][paragraph])
            yield _Move(numbers[0], numbers[-1], side, tuple(numbers))


def _crossing(moves: list[_Move]) -> Iterator[list[_Move]]:
    """The moves, in order, in lists of those that overlap."""
    found: list[_Move] = []
    last = -1
    for move in moves:
        if found and move.first > last:
            yield found
            found = []
        found.append(move)
        last = max(last, move.last)
    if found:
        yield found


def _sides(group: _Group, texts: Sequence[_Text]) -> Iterator[list[str]]:
    """What each side that changed something has where the group is."""
    start, end = _span(group)
    for changes, text in zip(group, texts[1:], strict=True):
        # Around its changes a side has the same paragraphs as base.
        before, after = changes[0].start - start, end - changes[-1].end
        yield text.paragraphs[changes[0].side_start - before : changes[-1].side_end + after]


# --- The merged text ----------------------------------------------------------------------------------------


class _Row(NamedTuple):
    """One step of the merged text: a paragraph, or a collision, in each version, with the blank lines after it."""

    texts: Three
    gaps: Three


def _rows(*texts: _Text) -> Iterator[_Row]:
    """The merged text from its start to its end. `texts` are base, mine and theirs."""
    base, *sides = texts
    at = [0, 0, 0]
    groups = list(_groups(*(list(_changes(base.paragraphs, side.paragraphs)) for side in sides)))
    for group in _untangled(groups, texts):
        start, end = _span(group)
        size = end - start
        yield from _unchanged(texts, at, start - at[0])
        at = [place + start - at[0] for place in at]
        # Around its changes a side has the same paragraphs as base.
        sizes = [size] + [size + sum(change.added for change in side) for side in group]
        found = [text.part(place, length) for text, place, length in zip(texts, at, sizes, strict=True)]
        yield from _changed(found, by_me=bool(group[0]), by_them=bool(group[1]))
        at = [place + length for place, length in zip(at, sizes, strict=True)]
    yield from _unchanged(texts, at, len(base.paragraphs) - at[0])


def _unchanged(texts: Sequence[_Text], at: Sequence[int], size: int) -> Iterator[_Row]:
    """Rows of paragraphs that are the same in all three; the blank lines after them may not be."""
    base, mine, theirs = (text.part(place, size) for text, place in zip(texts, at, strict=True))
    for text, *gaps in zip(base.paragraphs, base.gaps, mine.gaps, theirs.gaps, strict=True):
        yield _Row((text, text, text), _settled(*gaps))


def _changed(texts: Sequence[_Text], by_me: bool, by_them: bool) -> Iterator[_Row]:
    """Rows of what one side changed, or both alike; a single row if both changed it differently."""
    base, mine, theirs = texts
    last = _settled(base.last_gap, mine.last_gap, theirs.last_gap)
    if by_me and by_them and mine.paragraphs != theirs.paragraphs:
        yield _Row((base.inside, mine.inside, theirs.inside), last)
        return
    mine, theirs = mine if by_me else theirs, theirs if by_them else mine
    for text, *gaps in list(zip(mine.paragraphs, mine.gaps, theirs.gaps, strict=True))[:-1]:
        yield _Row((None, text, text), _settled(None, *gaps))
    for text in mine.paragraphs[-1:]:
        yield _Row((base.inside, text, text), last)


def _settled(base: str | None, mine: str | None, theirs: str | None) -> Three:
    """Merge the blank lines at one place: mine and theirs are equal afterwards, unless both changed them differently."""
    # A version without the place has no opinion.
    mine, theirs = theirs if mine is None else mine, mine if theirs is None else theirs
    if mine is None:
        return base, base, base
    if mine == base:
        return base, theirs, theirs
    if theirs == base:
        return base, mine, mine
    return base, mine, theirs


def _parts(texts: tuple[_Text, _Text, _Text], rows: list[_Row]) -> list[Part]:
    """The rows as text: adjacent rows of the same kind become one part."""
    base, mine, theirs = texts
    heads, feet = _settled(base.head, mine.head, theirs.head), _settled(base.foot, mine.foot, theirs.foot)
    columns = [_column(rows, side, heads[side] or "", feet[side] or "") for side in range(3)]
    cells = [cell for cell in zip(*columns, strict=True) if cell[1] or cell[2]]
    joined = (
        ["".join(column) for column in zip(*run, strict=True)]
        for _, run in groupby(cells, key=lambda cell: cell[1] == cell[2])
    )
    return [Clean(mine) if mine == theirs else Collision(base, mine, theirs) for base, mine, theirs in joined]


def _column(rows: list[_Row], side: int, head: str, foot: str) -> list[str]:
    """One version of the rows: the leading whitespace, then each row's paragraph and the blank lines after it."""
    present = [index for index, row in enumerate(rows) if row.texts[side] is not None]
    cells = [head if present else ""]
    for index, row in enumerate(rows):
        text = row.texts[side]
        if text is None:
            cells += ["", ""]
        else:
            # Base is shown unchanged, also if the text after it was deleted in the merge.
            is_last = index == present[-1] if side else row.gaps[0] is None
            cells += [text, foot if is_last else row.gaps[side] or BLANK_LINE]
    return cells
