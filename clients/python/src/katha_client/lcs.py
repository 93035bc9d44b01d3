"""The longest common subsequence of two lists of numbers: of several the same one that the server's library finds.

The merge of the server uses RapidFuzz. A client has to come to the same text, so it has to choose as that does where there is a
choice, and a client needs no compiled package for a few hundred paragraphs.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple


class Run(NamedTuple):
    """A run of members that are in both: its kind (always "equal"), and where it starts and ends in each."""

    tag: str
    src_start: int
    src_end: int
    dest_start: int
    dest_end: int


class LCSseq:
    """Named as in RapidFuzz, so that the server's merge runs here as it is."""

    @staticmethod
    def opcodes(source: Sequence[int], other: Sequence[int]) -> Iterator[Run]:
        """The runs that both have, in order. What is between them was changed."""
        head = _same(source, other)
        foot = _same(source[head:][::-1], other[head:][::-1])
        ends = len(source) - foot, len(other) - foot
        between = _matches(source[head : ends[0]], other[head : ends[1]])
        places = [
            *((at, at) for at in range(head)),
            *((head + at, head + row) for at, row in between),
            *((ends[0] + at, ends[1] + at) for at in range(foot)),
        ]
        starts = [
            index for index, (at, row) in enumerate(places) if not index or (at - 1, row - 1) != places[index - 1]
        ]
        for start, end in pairwise([*starts, len(places)]):
            (at, row), (last, last_row) = places[start], places[end - 1]
            yield Run("equal", at, last + 1, row, last_row + 1)


def _same(one: Sequence[int], other: Sequence[int]) -> int:
    """The length of the common prefix."""
    length = 0
    while length < min(len(one), len(other)) and one[length] == other[length]:
        length += 1
    return length


def _matches(source: Sequence[int], other: Sequence[int]) -> list[tuple[int, int]]:
    """The places of the common members, walked back from the end through the rows of Hyyrö's bit-parallel algorithm."""
    rows = _rows(source, other)
    found: list[tuple[int, int]] = []
    at, row = len(source), len(other)
    while at and row:
        if rows[row - 1] >> (at - 1) & 1:
            at -= 1
        else:
            row -= 1
            if not row or rows[row - 1] >> (at - 1) & 1:
                at -= 1
                found.append((at, row))
    return found[::-1]


def _rows(source: Sequence[int], other: Sequence[int]) -> list[int]:
    """For each member of `other` a number whose bits are 0 where the common subsequence grows with that member of `source`."""
    places: dict[int, int] = defaultdict(int)
    for index, member in enumerate(source):
        places[member] |= 1 << index
    every = (1 << len(source)) - 1
    rows, now = [], every
    for member in other:
        hit = now & places.get(member, 0)
        now = ((now + hit) | (now - hit)) & every
        rows.append(now)
    return rows
