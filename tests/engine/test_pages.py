"""Cursors and windows: every place makes the round trip, and everything else is refused."""

import base64
import contextlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.engine.errors import Invalid
from backend.pages import MAX_PAGE_SIZE, NUMBER, TIME, By, CursorKey, Window, from_cursor, to_cursor

MOMENTS = st.tuples(st.datetimes(timezones=st.just(UTC)), st.uuids())
NUMBERS = st.tuples(st.integers(-(2**63), 2**63 - 1), st.uuids())
PLACES = MOMENTS | NUMBERS
TAG = b"ab"
KINDS = {TIME: MOMENTS, NUMBER: NUMBERS}


@dataclass(frozen=True)
class Row:
    place_at: datetime | int
    id: uuid.UUID


def kind_of(place: CursorKey) -> By:
    """The kind of list that a place is in."""
    return NUMBER if isinstance(place[0], int) else TIME


def place_of(text: str) -> CursorKey | None:
    """The place that a text names in some list, or None where it is refused as a bad argument."""
    for kind in By:
        with contextlib.suppress(Invalid):
            return from_cursor(text, "after", kind)[1]
    return None


@given(place=PLACES)
def test_a_place_makes_the_round_trip(place: CursorKey) -> None:
    """To the microsecond, or a page would repeat or skip a row."""
    assert from_cursor(to_cursor(TAG, place), "after", kind_of(place)) == (TAG, place)


@given(place=PLACES)
def test_a_place_in_another_kind_of_list_is_refused(place: CursorKey) -> None:
    """A moment is no number of views, and PostgreSQL could not compare them."""
    other = TIME if kind_of(place) is NUMBER else NUMBER
    with pytest.raises(Invalid, match="before: is not a cursor of this list"):
        Window.of(None, None, 1, to_cursor(TAG, place), by=other)


def test_lists_are_by_time_unless_they_say_so() -> None:
    """Most are."""
    place = (datetime(2025, 1, 1, tzinfo=UTC), uuid.UUID(int=1))
    assert Window.of(1, to_cursor(TAG, place), None, None).after == place


@given(one=PLACES, other=PLACES)
def test_different_places_have_different_cursors(one: CursorKey, other: CursorKey) -> None:
    """A cursor names one place only."""
    assert (to_cursor(TAG, one) == to_cursor(TAG, other)) == (one == other)


@given(text=st.text(max_size=50) | st.binary(max_size=50).map(lambda raw: raw.hex()))
def test_text_that_is_no_cursor_is_refused(text: str) -> None:
    """A made-up cursor is an argument that makes no sense, not a fault."""
    place = place_of(text)
    assert place is None or to_cursor(base64.urlsafe_b64decode(text)[1:3], place) == text


@given(kind=st.sampled_from([*(one.value for one in By), b"x"]), raw=st.binary(min_size=26, max_size=26))
def test_any_bytes_are_a_place_or_refused(kind: bytes, raw: bytes) -> None:
    """A time beyond the calendar is refused as well, and a kind that there is not."""
    cursor = base64.urlsafe_b64encode(kind + raw).decode()
    place = place_of(cursor)
    assert place is None or to_cursor(raw[:2], place) == cursor
    assert (place is not None) == (kind == NUMBER.value) or kind == TIME.value


def test_a_place_in_a_list_has_one_cursor_only() -> None:
    """27 bytes are 36 characters of base64, without padding and without spare bits."""
    cursor = to_cursor(TAG, (5, uuid.UUID(int=1)))
    assert (len(cursor), place_of(cursor)) == (36, (5, uuid.UUID(int=1)))
    assert [place_of(one) for one in (cursor[:-1], cursor + "=", cursor + "AAAA", cursor[:-4])] == [None] * 4


@given(place=PLACES)
def test_a_cursor_of_another_list_is_refused(place: CursorKey) -> None:
    """Each of both is named."""
    cursor, by = to_cursor(TAG, place), kind_of(place)
    window = Window.of(1, cursor, None, cursor, by)
    window.require_list(TAG)
    with pytest.raises(Invalid) as refused:
        window.require_list(b"xy")
    assert [field.path for field in refused.value.fields] == ["after", "before"]


@pytest.mark.parametrize("size", [-1, MAX_PAGE_SIZE + 1, 2**31])
@pytest.mark.parametrize("name", ["first", "last"])
def test_a_page_has_a_size_that_can_be_served(name: str, size: int) -> None:
    """Neither a negative page nor all of a table."""
    sizes = {"first": None, "last": None, name: size}
    with pytest.raises(Invalid) as refused:
        Window.of(sizes["first"], None, sizes["last"], None)
    assert refused.value.fields[0].path == name


def test_first_and_last_do_not_go_together() -> None:
    """Two ends of one page cannot both be asked for."""
    with pytest.raises(Invalid, match="last"):
        Window.of(1, None, 1, None)
