"""Merging two versions of a text: what does not meet is all kept, what does is shown, and no paragraphs run together."""

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.stories import merge
from backend.stories.merge import Clean, Collision, Part, merged, suggestion, three_way

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
