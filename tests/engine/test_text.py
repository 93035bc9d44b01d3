"""Normalized text: whatever comes through can be stored and is in one form; whatever cannot is refused by name."""

import re
import sys
import unicodedata
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from backend.engine.errors import Invalid
from backend.engine.text import MAX_CHARACTERS, MAX_MARKS, Checker, _is_mark, normalize

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
UNFIT = "\0\ud800\udfff"


@dataclass(frozen=True)
class Note:
    title: str
    lines: list[str]


@pytest.mark.django_db
@given(text=ANY_TEXT)
def test_any_text_is_refused_or_stored_as_it_came_through(text: str) -> None:
    """What PostgreSQL cannot hold never reaches it, and what reaches it comes back the same."""
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text):
        with pytest.raises(Invalid):
            normalize(text)
        return
    clean = normalize(text)
    assert clean == unicodedata.normalize("NFC", text) == normalize(clean)
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::text", [clean])
        assert cursor.fetchone() == (clean,)


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=8,
)


def texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return [text for item in inner for text in texts(item)]


@given(value=NESTED)
def test_no_text_hides_in_lists_and_objects(value: Any) -> None:
    """Every string is found, wherever it is, and everything else is left alone."""
    unfit = any(set(text) & {chr(code) for code in range(0xD800, 0xE000)} or "\0" in text for text in texts(value))
    if unfit:
        with pytest.raises(Invalid):
            normalize(value)
        return
    assert texts(normalize(value)) == [unicodedata.normalize("NFC", text) for text in texts(value)]


@pytest.mark.parametrize("character", UNFIT)
def test_a_refusal_names_the_path(character: str) -> None:
    """A client is told which of its arguments cannot be stored."""
    with pytest.raises(Invalid) as refused:
        normalize({"input": Note("fine", ["fine", f"not {character} fine"])})
    assert [field.path for field in refused.value.fields] == ["input.lines.1"]
    assert character not in refused.value.message


def test_text_comes_out_in_one_form() -> None:
    """The same word typed on two keyboards is the same text, so that what is equal looks equal."""
    assert normalize(Note("e\u0301", ["n\u0303"])) == Note("é", ["ñ"])


def test_text_that_is_too_long_for_any_field_is_refused() -> None:
    """Before anything is worked out from it."""
    assert normalize("x" * MAX_CHARACTERS)
    with pytest.raises(Invalid, match="too long"):
        normalize("x" * (MAX_CHARACTERS + 1))


ABOVE, BESIDE, OF_TWO = "\u0300", "\u0315", "\u0f73"
"""Marks: two that are sorted, and one that is none before it is decomposed."""
MARKED = st.lists(st.sampled_from([ABOVE * 7, BESIDE * 8, OF_TWO, "a", "é"]), max_size=40).map("".join)


@given(text=MARKED)
def test_a_crowd_of_marks_is_refused_wherever_it_stands(text: str) -> None:
    """Normalising takes the square of their number, and holds up the whole process meanwhile."""
    if any(len(marks) > MAX_MARKS for marks in re.findall(f"[{ABOVE}{BESIDE}{OF_TWO}]+", text)):
        with pytest.raises(Invalid, match="more than 30 marks"):
            normalize(text)
        return
    assert normalize(text) == unicodedata.normalize("NFC", text)


def test_every_mark_counts() -> None:
    """All that Unicode sorts: none is missing that only its decomposition makes one."""
    for character in map(chr, range(sys.maxunicode + 1)):
        marks = unicodedata.normalize("NFD", character)
        assert _is_mark(character) == bool(unicodedata.combining(marks[0]))


@given(text=ANY_TEXT)
def test_a_line_that_is_accepted_is_one_trimmed_line(text: str) -> None:
    """A title is never blank, never two lines, and never longer than its column."""
    check = Checker()
    line = check.line("title", text, most=20)
    if not check.problems:
        assert 0 < len(line) <= 20
        assert line == line.strip()
        assert len(line.splitlines()) == 1


def test_everything_that_is_wrong_is_said_at_once() -> None:
    """A form is not filled in by one refusal after the other."""
    check = Checker()
    check.line("title", "  ", most=5)
    check.line("name", "two\nlines", most=5)
    check.text("body", None, most=5)
    check.text("bio", "", most=5, blank=True)
    with pytest.raises(Invalid) as refused:
        check.done()
    assert [field.path for field in refused.value.fields] == ["title", "name", "name", "body"]
