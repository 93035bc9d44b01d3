"""What every merged text must be: counted again from the four texts alone, whichever way it was merged."""

from collections import Counter
from collections.abc import Sequence


def is_lawful(base: Sequence[str], mine: Sequence[str], theirs: Sequence[str], now: Sequence[str]) -> bool:
    """Whether these paragraphs are what both sides' changes make of base: none lost, none doubled, none back in an old place.

    Each paragraph is there as often as in base, and as often more or less as the sides added or took away; where both
    added or both took away it may be the same one, which counts once. Those that every version has once stand as they stood
    in base; where one side put them into another order they stand in that one.
    """
    counts = [Counter(version) for version in (base, mine, theirs, now)]
    if not all(_is_due(*(count[text] for count in counts)) for text in set().union(*counts)):
        return False
    common = [text for text in base if all(count[text] == 1 for count in counts)]
    places = {text: place for place, text in enumerate(common)}
    return _is_in_order(*([places[text] for text in version if text in places] for version in (mine, theirs, now)))


def _is_due(base: int, mine: int, theirs: int, now: int) -> bool:
    """Whether a paragraph is there as often as it should be."""
    by_me, by_them = mine - base, theirs - base
    all_of_both = by_me + by_them
    alike = max(by_me, by_them, key=abs) if by_me * by_them > 0 else all_of_both
    return min(alike, all_of_both) <= now - base <= max(alike, all_of_both)


def _is_in_order(mine: list[int], theirs: list[int], now: list[int]) -> bool:
    """Whether paragraphs, by their places in base, stand as the side that moved them put them.

    Cut where all versions have the same ones before the cut: between two cuts at most one order may differ from base's.
    """
    start, reach = 0, -1
    for end, places in enumerate(zip(mine, theirs, now, strict=True), 1):
        reach = max(reach, *places)
        if reach < end:
            orders = {tuple(order[start:end]) for order in (mine, theirs)} - {tuple(range(start, end))}
            if {tuple(now[start:end])} != (orders or {tuple(range(start, end))}):
                return False
            start = end
    return True
