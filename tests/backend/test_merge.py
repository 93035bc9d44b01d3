"""Merging two versions of a text: what does not meet is all kept, what does is shown, and no paragraphs run together."""

import re
from collections import Counter
from collections.abc import Callable
from itertools import combinations, permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.stories import merge
from backend.stories.merge import Clean, Collision, Part, merged, suggestion, three_way
from backend.stories.merge_law import is_lawful
from tests import depth

QUIETLY = settings(database=None, deadline=None)

LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])
BLANK_LINES = st.lists(st.builds(str.__add__, st.sampled_from(["", " ", "\t"]), LINE_ENDS), max_size=3).map("".join)
GAPS = st.sampled_from(["\n\n", "\n \n", "\n\n\n", "\r\n\r\n", "\r\n\t\r\n\r\n"])
FEW = st.sampled_from(["a", "b", "c", "* * *", "two\nlines", "  indented", "a break  "])
"""Few paragraphs, so that versions have much in common and the same one stands in many places."""
STORIES = st.lists(st.tuples(FEW, GAPS), max_size=8).map(lambda pairs: "".join(text + gap for text, gap in pairs))
TEXTS = STORIES | STORIES.map(str.rstrip) | st.text(alphabet="ab \t\r\n", max_size=12)


def paragraphs(text: str) -> list[str]:
    """The text's runs of lines that are not blank: counted line by line, unlike the code under test."""
    lines = re.sub(r"\r\n?", "\n", text).split("\n")
    joined = "\n".join("" if not line.strip(" \t") else line for line in lines)
    return [found for run in re.split(r"\n{2,}", joined) if (found := run.strip("\n"))]


def chosen(parts: list[Part], side: str) -> str:
    """The text in which every collision is decided for one side."""
    return "".join(part.text if isinstance(part, Clean) else getattr(part, side) for part in parts)


def swapped(parts: list[Part]) -> list[Part]:
    """The parts with the two sides exchanged."""
    return [part if isinstance(part, Clean) else Collision(part.base, part.theirs, part.mine) for part in parts]


def story(*texts: str) -> str:
    """Paragraphs with a blank line between."""
    return "\n\n".join(texts)


BASE = story("one", "two", "three", "four")


# --- Cases --------------------------------------------------------------------------------------------------

CLEAN = {
    "edits of different paragraphs": (
        BASE,
        story("one", "TWO", "three", "four"),
        story("one", "two", "three", "FOUR"),
        story("one", "TWO", "three", "FOUR"),
    ),
    "edits of neighbours": (
        BASE,
        story("one", "TWO", "three", "four"),
        story("one", "two", "THREE", "four"),
        story("one", "TWO", "THREE", "four"),
    ),
    "one of two neighbours edited alike": (
        BASE,
        story("one", "TWO", "THREE", "four"),
        story("one", "TWO", "three", "FOUR"),
        story("one", "TWO", "THREE", "FOUR"),
    ),
    "the last edited, another after it": (
        BASE,
        story("one", "two", "three", "FOUR"),
        story(BASE, "five"),
        story("one", "two", "three", "FOUR", "five"),
    ),
    "the last deleted, another after it": (
        BASE,
        story("one", "two", "three"),
        story(BASE, "five"),
        story("one", "two", "three", "five"),
    ),
    "one deleted, another edited": (
        BASE,
        story("one", "three", "four"),
        story("one", "two", "three", "FOUR"),
        story("one", "three", "FOUR"),
    ),
    "neighbours deleted": (
        BASE,
        story("one", "three", "four"),
        story("one", "two", "four"),
        story("one", "four"),
    ),
    "one added before one that was edited": (
        BASE,
        story("one", "more", "two", "three", "four"),
        story("one", "TWO", "three", "four"),
        story("one", "more", "TWO", "three", "four"),
    ),
    "one added at each end": (BASE, story("zero", BASE), story(BASE, "five"), story("zero", BASE, "five")),
    "the same added by both, and an edit": (
        BASE,
        story("ONE", "two", "three", "four", "five"),
        story(BASE, "five"),
        story("ONE", "two", "three", "four", "five"),
    ),
    "two swapped, another edited": (
        BASE,
        story("two", "one", "three", "four"),
        story("one", "two", "three", "FOUR"),
        story("two", "one", "three", "FOUR"),
    ),
    "one moved far, another edited on its way": (
        BASE,
        story("four", "one", "two", "three"),
        story("one", "TWO", "three", "four"),
        story("four", "one", "TWO", "three"),
    ),
    "one moved far, another deleted on its way": (
        BASE,
        story("four", "one", "two", "three"),
        story("one", "three", "four"),
        story("four", "one", "three"),
    ),
    "one moved far, one added on its way": (
        BASE,
        story("four", "one", "two", "three"),
        story("one", "two", "more", "three", "four"),
        story("four", "one", "two", "more", "three"),
    ),
    "one moved by both to the same place": (
        BASE,
        story("four", "one", "two", "three"),
        story("four", "one", "TWO", "three"),
        story("four", "one", "TWO", "three"),
    ),
    "two swapped by one, two others by the other": (
        BASE,
        story("two", "one", "three", "four"),
        story("one", "two", "four", "three"),
        story("two", "one", "four", "three"),
    ),
    "the same added by both at different places": (
        BASE,
        story("more", BASE),
        story("one", "two", "three", "more", "four"),
        story("more", "one", "two", "three", "more", "four"),
    ),
    "a separator added by each": (
        story("one", "two", "***", "three", "four"),
        story("one", "***", "two", "***", "three", "four"),
        story("one", "two", "***", "three", "***", "four"),
        story("one", "***", "two", "***", "three", "***", "four"),
    ),
    "a separator deleted by each, not the same": (
        story("***", "one", "***", "two", "***"),
        story("one", "***", "two", "***"),
        story("***", "one", "***", "two"),
        story("one", "***", "two"),
    ),
    "each deleted what the other kept": (story("one", "two"), "one", "two", ""),
    "a wider gap, and an edit": ("one\n\ntwo\n", "one\n\n\ntwo\n", "one\n\nTWO\n", "one\n\n\nTWO\n"),
    "a line end at the end, and an edit": ("one\n\ntwo", "one\n\ntwo\n", "ONE\n\ntwo", "ONE\n\ntwo\n"),
    "a line end at the end, and one more": ("one\n\ntwo\n", "ONE\n\ntwo\n", "one\n\ntwo\n\nx", "ONE\n\ntwo\n\nx"),
    "carriage returns, and an edit": ("one\n\ntwo", "one\r\n\r\ntwo", "one\n\nTWO", "one\r\n\r\nTWO"),
    "a line end is no blank line": (
        "one\r\nmore\r\n\r\ntwo",
        "one\r\nmore\r\n\r\n2",
        "1\r\nmore\r\n\r\ntwo",
        "1\r\nmore\r\n\r\n2",
    ),
    "blank lines around no paragraph": ("one", " \n ", "one\n", ""),
    "nothing left below blank lines": ("\none\n\ntwo", "\none", "\ntwo", ""),
    "a blank base": ("\n", "one", "", "one"),
}

COLLISIONS = {
    "edits of the same paragraph": (
        BASE,
        story("one", "TWO", "three", "four"),
        story("one", "Two", "three", "four"),
        [Clean("one\n\n"), Collision("two", "TWO", "Two"), Clean("\n\nthree\n\nfour")],
    ),
    "moved by both to different places": (
        story(BASE, "five", "six"),
        story("five", BASE, "six"),
        story("one", "two", "five", "three", "four", "six"),
        [
            Collision(story(BASE, "five"), story("five", BASE), story("one", "two", "five", "three", "four")),
            Clean("\n\nsix"),
        ],
    ),
    "moved to the front and to the end": (
        BASE,
        story("two", "one", "three", "four"),
        story("one", "three", "four", "two"),
        [Collision(BASE, story("two", "one", "three", "four"), story("one", "three", "four", "two"))],
    ),
    "moved before its neighbour and behind the other": (
        story("one", "two", "three"),
        story("two", "one", "three"),
        story("one", "three", "two"),
        [Collision(story("one", "two", "three"), story("two", "one", "three"), story("one", "three", "two"))],
    ),
    "moved and deleted": (
        BASE,
        story("four", "one", "two", "three"),
        story("one", "two", "three"),
        [Collision(BASE, story("four", "one", "two", "three"), story("one", "two", "three"))],
    ),
    "moved and edited": (
        story(BASE, "five"),
        story("four", "one", "two", "three", "five"),
        story("one", "two", "three", "FOUR", "five"),
        [
            Collision(BASE, story("four", "one", "two", "three"), story("one", "two", "three", "FOUR")),
            Clean("\n\nfive"),
        ],
    ),
    "moved and edited by a blank": (
        story("one", "two", "three"),
        story("three", "one", "two"),
        story("one", "two", "three  x"),
        [Collision(story("one", "two", "three"), story("three", "one", "two"), story("one", "two", "three  x"))],
    ),
    "moved and split": (
        story("one", "two", "three"),
        story("three", "one", "two"),
        story("one", "two", "thr", "ee"),
        [Collision(story("one", "two", "three"), story("three", "one", "two"), story("one", "two", "thr", "ee"))],
    ),
    "moved and joined": (
        story("one", "two", "three"),
        story("three", "one", "two"),
        story("one", "two\nthree"),
        [Collision(story("one", "two", "three"), story("three", "one", "two"), story("one", "two\nthree"))],
    ),
    "moved and copied to the same place": (
        story("one", "two", "three"),
        story("two", "three", "one"),
        story("one", "two", "three", "one"),
        [Collision(story("one", "two", "three"), story("two", "three", "one"), story("one", "two", "three", "one"))],
    ),
    "moved to where the other added": (
        story("one", "two", "three"),
        story("three", "one", "two"),
        story("new", "one", "two", "three"),
        [Collision(story("one", "two", "three"), story("three", "one", "two"), story("new", "one", "two", "three"))],
    ),
    "moves that cross": (
        story("one", "two", "three", "four", "five", "six"),
        story("two", "three", "four", "one", "five", "six"),
        story("one", "two", "four", "five", "three", "six"),
        [
            Collision(
                story("one", "two", "three", "four", "five"),
                story("two", "three", "four", "one", "five"),
                story("one", "two", "four", "five", "three"),
            ),
            Clean("\n\nsix"),
        ],
    ),
    "moved and deleted, with carriage returns": (
        "one\r\n\r\ntwo\r\n\r\nthree\r\n",
        "three\r\n\r\none\r\n\r\ntwo\r\n",
        "one\r\n\r\ntwo\r\n",
        [
            Collision("one\r\n\r\ntwo\r\n\r\nthree", "three\r\n\r\none\r\n\r\ntwo", "one\r\n\r\ntwo"),
            Clean("\r\n"),
        ],
    ),
    "only what both edited": (
        BASE,
        story("one", "TWO", "THREE", "four"),
        story("one", "two", "Three", "Four"),
        [Clean("one\n\nTWO\n\n"), Collision("three", "THREE", "Three"), Clean("\n\nFour")],
    ),
    "both added at the end": (
        BASE,
        story(BASE, "five"),
        story(BASE, "six", "seven"),
        [Clean(f"{BASE}\n\n"), Collision("", "five", "six\n\nseven")],
    ),
    "both added between": (
        BASE,
        story("one", "five", "two", "three", "four"),
        story("one", "six", "two", "three", "four"),
        [Clean("one\n\n"), Collision("", "five", "six"), Clean("\n\ntwo\n\nthree\n\nfour")],
    ),
    "both added between, one of them with an edit": (
        BASE,
        story("one", "two", "five", "three", "four"),
        story("one", "TWO", "six", "three", "four"),
        [Clean("one\n\n"), Collision("two", "two\n\nfive", "TWO\n\nsix"), Clean("\n\nthree\n\nfour")],
    ),
    "edited and deleted": (
        BASE,
        story("one", "TWO", "three", "four"),
        story("one", "three", "four"),
        [Clean("one\n\n"), Collision("two\n\n", "TWO\n\n", ""), Clean("three\n\nfour")],
    ),
    "the last edited and deleted": (
        BASE,
        story("one", "two", "three"),
        story("one", "two", "three", "FOUR"),
        [Clean("one\n\ntwo\n\nthree"), Collision("\n\nfour", "", "\n\nFOUR")],
    ),
    "all deleted, one edited": (
        BASE,
        "",
        story("one", "TWO", "three", "four"),
        [Collision(BASE, "", story("one", "TWO", "three", "four"))],
    ),
    "nothing in common": ("", "one", "two", [Collision("", "one", "two")]),
    "an edit and a split of the same": (
        "one\n\ntwo",
        "o\n\nne\n\ntwo",
        "ONE\n\ntwo",
        [Collision("one", "o\n\nne", "ONE"), Clean("\n\ntwo")],
    ),
    "two lines of one paragraph": (
        "one\r\nmore\r\n\r\ntwo",
        "ONE\r\nmore\r\n\r\ntwo",
        "one\r\nMORE\r\n\r\ntwo",
        [Collision("one\r\nmore", "ONE\r\nmore", "one\r\nMORE"), Clean("\r\n\r\ntwo")],
    ),
    "a gap that only base knows": (
        "one\r\n\r\ntwo\r\n\r\nthree",
        "two",
        "three\r\n\r\nfour",
        [Collision("one\r\n\r\ntwo\r\n\r\n", "two\r\n\r\n", ""), Clean("four")],
    ),
    "different gaps in what both added": (
        "one",
        "one\n\ntwo\n\nthree",
        "one\n\ntwo\n\n\nthree",
        [Clean("one\n\ntwo"), Collision("", "\n\n", "\n\n\n"), Clean("three")],
    ),
    "different gaps": (
        "one\n\ntwo",
        "one\n\n\ntwo",
        "one\n \ntwo",
        [Clean("one"), Collision("\n\n", "\n\n\n", "\n \n"), Clean("two")],
    ),
}


@pytest.mark.parametrize(("base", "mine", "theirs", "expected"), CLEAN.values(), ids=CLEAN)
def test_changes_that_do_not_meet_are_both_made(base: str, mine: str, theirs: str, expected: str) -> None:
    """Whoever is called mine."""
    assert merged(three_way(base, mine, theirs)) == expected
    assert merged(three_way(base, theirs, mine)) == expected


@pytest.mark.parametrize(("base", "mine", "theirs", "expected"), COLLISIONS.values(), ids=COLLISIONS)
def test_changes_that_meet_are_shown(base: str, mine: str, theirs: str, expected: list[Part]) -> None:
    """With as little around them as can be."""
    parts = three_way(base, mine, theirs)
    assert parts == expected
    assert merged(parts) is None


def test_a_suggestion_is_json() -> None:
    """Each part says what kind it is."""
    assert suggestion(three_way("one\n\ntwo", "one\n\nTWO", "one\n\n2")) == [
        {"kind": "CLEAN", "text": "one\n\n"},
        {"kind": "COLLISION", "base": "two", "mine": "TWO", "theirs": "2"},
    ]


def test_texts_too_long_to_compare_are_one_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first difference to the last, so that no text can hold a processor for long."""
    base, mine = story(BASE, "five"), story("ONE", "two", "three", "FOUR", "five")
    inner, outer = base.replace("two", "TWO"), base.replace("five", "FIVE")
    assert merged(three_way(base, mine, inner)) == mine.replace("two", "TWO")
    monkeypatch.setattr(merge, "MAX_COMPARISONS", 15)
    assert three_way(base, mine, inner) == [
        Collision(*(text.removesuffix("\n\nfive") for text in (base, mine, inner))),
        Clean("\n\nfive"),
    ]
    assert merged(three_way(base, mine, outer)) == mine.replace("five", "FIVE")


def test_a_text_may_be_all_short_paragraphs() -> None:
    """Twenty thousand of them, which one side put into another order: what it takes grows as the text does."""
    base = [chr(0x20000 + number) for number in range(20_000)]
    turned = base[10_000:] + base[:10_000]
    assert merged(three_way(story(*base), story(*turned), story("new", *base))) == story("new", *turned)
    assert three_way(story(*base), story(*turned), story(*base[::-1])) == [
        Collision(story(*base), story(*turned), story(*base[::-1]))
    ]


# --- Laws ---------------------------------------------------------------------------------------------------


@QUIETLY
@given(base=TEXTS, other=TEXTS)
def test_a_side_that_changed_nothing_leaves_the_other_as_it_is(base: str, other: str) -> None:
    """To the last blank, and so do two sides that are the same."""
    assert merged(three_way(base, base, other)) == other
    assert merged(three_way(base, other, base)) == other
    assert merged(three_way(base, other, other)) == other


@QUIETLY
@given(base=TEXTS, mine=TEXTS, theirs=TEXTS)
def test_the_sides_are_equal(base: str, mine: str, theirs: str) -> None:
    """Exchanging them exchanges them in the collisions, and that is all."""
    assert three_way(base, theirs, mine) == swapped(three_way(base, mine, theirs))


@QUIETLY
@given(base=TEXTS, mine=TEXTS, theirs=TEXTS)
def test_a_collision_is_one(base: str, mine: str, theirs: str) -> None:
    """Its sides differ, and no part is empty."""
    for part in three_way(base, mine, theirs):
        assert part.text if isinstance(part, Clean) else part.mine != part.theirs


@QUIETLY
@given(base=TEXTS, mine=TEXTS, theirs=TEXTS, side=st.sampled_from(["mine", "theirs"]))
def test_no_paragraphs_run_together(base: str, mine: str, theirs: str, side: str) -> None:
    """Each paragraph of the result is one of the three texts', however the collisions are decided."""
    known = {*paragraphs(base), *paragraphs(mine), *paragraphs(theirs)}
    assert set(paragraphs(chosen(three_way(base, mine, theirs), side))) <= known


@QUIETLY
@given(base=TEXTS, mine=TEXTS, theirs=TEXTS, side=st.sampled_from(["mine", "theirs"]))
def test_what_a_side_added_is_there(base: str, mine: str, theirs: str, side: str) -> None:
    """As often as it was added, wherever the collisions, if any, are decided for that side."""
    own = {"mine": mine, "theirs": theirs}[side]
    added = Counter(paragraphs(own)) - Counter(paragraphs(base))
    assert added <= Counter(paragraphs(chosen(three_way(base, mine, theirs), side)))


@QUIETLY
@given(data=st.data(), owners=st.lists(st.sampled_from(["nobody", "mine", "theirs"]), max_size=9))
def test_changes_of_different_paragraphs_are_all_made(data: st.DataObject, owners: list[str]) -> None:
    """Each paragraph is changed by one side at most; the result is as if one writer had made all the changes."""
    versions: dict[str, list[str]] = {"base": [], "mine": [], "theirs": [], "all": []}
    for number, owner in enumerate(owners):
        old, new = f"old {number}", f"new {number}"
        change = data.draw(st.sampled_from([[new], [], [new, old]]), label=f"{owner} changes {number} to")
        for name, texts in versions.items():
            texts += change if owner != "nobody" and name in (owner, "all") else [old]
    foot = data.draw(st.sampled_from(["", "\n"]), label="at the end")
    base, mine, theirs, expected = (story(*texts) + foot if texts else "" for texts in versions.values())
    assert merged(three_way(base, mine, theirs)) == expected


@QUIETLY
@given(gaps=st.lists(st.tuples(GAPS, GAPS), min_size=1, max_size=6), data=st.data())
def test_blank_lines_are_kept_as_a_side_made_them(gaps: list[tuple[str, str]], data: st.DataObject) -> None:
    """One side changes nothing but blank lines and line ends, the other a paragraph."""
    edited = data.draw(st.integers(0, len(gaps)), label="edited")
    ends = [data.draw(BLANK_LINES, label="head") + "{}" + data.draw(st.just("") | GAPS, label="foot") for _ in range(2)]

    def text(version: int, new: str) -> str:
        """One version's blank lines around the paragraphs, one of which is new."""
        words = [new if number == edited else f"old {number}" for number in range(len(gaps) + 1)]
        return ends[version].format(
            words[0] + "".join(gap[version] + word for gap, word in zip(gaps, words[1:], strict=True))
        )

    assert merged(three_way(text(0, "old"), text(1, "old"), text(0, "new"))) == text(1, "new")


# --- What either side moved, deleted or wrote -------------------------------------------------------------------


def comes_before(texts: list[str], one: str, other: str) -> bool:
    """Whether the one stands before the other."""
    return texts.index(one) < texts.index(other)


def assert_lawful(base: list[str], mine: list[str], theirs: list[str], now: list[str]) -> None:
    """Each paragraph as often as the sides made it, and each two in the order that the side that changed it gave them.

    Compared pair by pair and count by count, unlike the code under test.
    """
    before, one, other, after = (Counter(texts) for texts in (base, mine, theirs, now))
    for text in {*base, *mine, *theirs, *now}:
        changes = [one[text] - before[text], other[text] - before[text]]
        allowed = {sum(changes)}
        if min(changes) > 0:  # both wrote it: the same one, or one each
            allowed = set(range(max(changes), sum(changes) + 1))
        if max(changes) < 0:
            allowed = set(range(sum(changes), min(changes) + 1))
        assert after[text] - before[text] in allowed, f"{text!r} is there {after[text]} times"
    single = [text for text in base if before[text] == one[text] == other[text] == after[text] == 1]
    for a, b in combinations(single, 2):
        orders = {comes_before(texts, a, b) for texts in (mine, theirs)} - {comes_before(base, a, b)}
        assert {comes_before(now, a, b)} == (orders or {comes_before(base, a, b)}), f"{a!r} and {b!r}"
    for side, rival in ((mine, theirs), (theirs, mine)):
        is_single = max([*one.values(), *other.values(), *before.values(), *after.values(), 0]) <= 1
        if is_single and [text for text in base if text in rival] == [text for text in rival if text in base]:
            assert [text for text in now if text in side] == [text for text in side if text in now]


def test_every_arrangement_of_four_paragraphs_is_merged_or_shown() -> None:
    """Each side deletes some and puts the others into any order. 583 of the 4225 pairs do not meet, and are merged."""
    base, lawful = list("abcd"), 0
    sides = [list(side) for size in range(5) for side in permutations(base, size)]
    for mine, theirs in product(sides, repeat=2):
        now = merged(three_way(story(*base), story(*mine), story(*theirs)))
        if now is not None:
            assert_lawful(base, mine, theirs, paragraphs(now))
            lawful += 1
    assert lawful == 583


Edit = Callable[[list[str], int, int], list[str]]
EDITS: dict[str, Edit] = {
    "move": lambda texts, at, to: [*(rest := [*texts[:at], *texts[at + 1 :]])[:to], texts[at], *rest[to:]],
    "delete": lambda texts, at, to: texts[:at] + texts[at + 1 :],
    "copy": lambda texts, at, to: [*texts[:to], texts[at], *texts[to:]],
    "edit": lambda texts, at, to: [*texts[:at], f"{texts[at]} {to}", *texts[at + 1 :]],
    "blank": lambda texts, at, to: [*texts[:at], f" {texts[at]}", *texts[at + 1 :]],
    "split": lambda texts, at, to: [*texts[:at], texts[at][:1], f"{texts[at][1:]}.", *texts[at + 1 :]],
    "join": lambda texts, at, to: [*texts[:at], "\n".join(texts[at : at + 2]), *texts[at + 2 :]],
    "add": lambda texts, at, to: [*texts[:to], f"new {at}", *texts[to:]],
}
KINDS = st.sampled_from(["move", "move", "move", *EDITS])
STEPS = st.lists(st.tuples(KINDS, st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=3)
Steps = list[tuple[str, int, int]]


def edited(texts: list[str], steps: Steps) -> list[str]:
    """The paragraphs after one side's edits, which may undo each other."""
    for name, at, to in steps:
        if texts:
            texts = EDITS[name](texts, at % len(texts), to % (len(texts) + 1))
    return texts


@settings(QUIETLY, max_examples=depth.rounds(3_000))
@given(
    base=st.lists(FEW, max_size=8) | st.permutations("abcde").map(list),
    mine=STEPS,
    theirs=STEPS,
    gaps=st.tuples(GAPS, GAPS),
)
def test_nothing_is_lost_doubled_or_put_back(
    base: list[str], mine: Steps, theirs: Steps, gaps: tuple[str, str]
) -> None:
    """Whatever the sides moved, copied, deleted, split and joined, and whatever stands between: it is so, or a collision."""
    sides = edited(base, mine), edited(base, theirs)
    now = merged(three_way(gaps[0].join(base), gaps[1].join(sides[0]), gaps[0].join(sides[1])))
    if now is not None:
        assert_lawful(*(paragraphs(story(*texts)) for texts in (base, *sides)), paragraphs(now))


@QUIETLY
@given(
    size=st.integers(4, 9),
    data=st.data(),
    edits=st.dictionaries(st.integers(0, 8), st.sampled_from(["edit", "delete", "more"])),
)
def test_a_move_and_changes_of_other_paragraphs_are_both_made(
    size: int, data: st.DataObject, edits: dict[int, str]
) -> None:
    """One side moves a paragraph over at least two others, the other side changes any but that and those beside its places."""
    base = [f"old {number}" for number in range(size)]
    at = data.draw(st.integers(0, size - 1), label="from")
    to = data.draw(st.integers(0, size - 1).filter(lambda place: abs(place - at) > 1), label="to")
    moved = EDITS["move"](base, at, to)
    untouched = {at, to, at - 1, at + 1, to - 1, to + 1}
    edits = {number: edit for number, edit in edits.items() if number not in untouched}
    change = {"edit": lambda text: [f"{text}!"], "delete": lambda text: [], "more": lambda text: [text, f"{text}+"]}

    def changed(texts: list[str]) -> str:
        """The text with the other side's changes."""
        found = [change[edits[number]](text) if (number := base.index(text)) in edits else [text] for text in texts]
        return story(*(text for one in found for text in one))

    assert merged(three_way(story(*base), story(*moved), changed(base))) == changed(moved)


@pytest.mark.parametrize(
    "name", ["moved by both to different places", "moved and deleted", "moved to the front and to the end"]
)
def test_a_wrong_merge_is_not_written(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """If moves are not recognised, a paragraph is doubled or back again; the last look makes all of that text a collision."""
    base, mine, theirs, _ = COLLISIONS[name]
    monkeypatch.setattr(merge, "_untangled", lambda groups, texts: groups)
    assert three_way(base, mine, theirs) == [Collision(base, mine, theirs)]
    monkeypatch.setattr(merge, "is_lawful", lambda *versions: True)
    assert merged(three_way(base, mine, theirs)) is not None


@pytest.mark.parametrize(
    ("now", "kept"),
    [("dabc", True), ("abcd", False), ("dabcd", False), ("abc", False), ("dabcx", False), ("dacb", False)],
)
def test_what_is_looked_at_last(now: str, kept: bool) -> None:
    """One side moved the last to the front, the other changed nothing: none less, none more, and in this order."""
    assert is_lawful("abcd", "dabc", "abcd", now) == is_lawful("abcd", "abcd", "dabc", now) == kept
