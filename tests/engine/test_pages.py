"""Cursors and windows: every place makes the round trip, and everything else is refused."""

import base64
import contextlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.engine.errors import Invalid
from backend.pages import MOST_SIZE, Page, Place, Window, from_cursor, to_cursor

PLACES = st.tuples(st.datetimes(timezones=st.just(UTC)), st.uuids())
QUIETLY = settings(database=None)


@dataclass(frozen=True)
class Row:
    place_at: datetime
    id: uuid.UUID


def place_of(text: str) -> Place | None:
    """The place that a text names, or None where it is refused as a bad argument."""
    with contextlib.suppress(Invalid):
        return from_cursor(text, "after")
    return None


@QUIETLY
@given(place=PLACES)
def test_a_place_makes_the_round_trip(place: Place) -> None:
    """To the microsecond, or a page would repeat or skip a row."""
    assert from_cursor(to_cursor(place), "after") == place


@QUIETLY
@given(one=PLACES, other=PLACES)
def test_different_places_have_different_cursors(one: Place, other: Place) -> None:
    """A cursor names one place only."""
    assert (to_cursor(one) == to_cursor(other)) == (one == other)


@QUIETLY
@given(text=st.text(max_size=50) | st.binary(max_size=50).map(lambda raw: raw.hex()))
def test_text_that_is_no_cursor_is_refused(text: str) -> None:
    """A made-up cursor is an argument that makes no sense, not a fault."""
    place = place_of(text)
    assert place is None or from_cursor(to_cursor(place), "after") == place


@QUIETLY
@given(raw=st.binary(min_size=24, max_size=24))
def test_any_24_bytes_are_a_place_or_refused(raw: bytes) -> None:
    """A time beyond the calendar is refused as well."""
    cursor = base64.urlsafe_b64encode(raw).decode()
    place = place_of(cursor)
    assert place is None or to_cursor(place) == cursor


@pytest.mark.parametrize("size", [-1, MOST_SIZE + 1, 2**31])
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


@QUIETLY
@given(
    places=st.lists(PLACES, unique=True, max_size=12),
    size=st.integers(1, 5),
    backward=st.booleans(),
)
def test_pages_that_follow_each_other_hold_every_row_once(places: list[Place], size: int, backward: bool) -> None:
    """Walking a list from either end shows each row exactly once, in order, and knows where it ends."""
    newest_first = sorted(places, reverse=True)
    walked: list[Place] = []
    edge: str | None = None
    while True:
        window = Window.of(None, None, size, edge) if backward else Window.of(size, edge, None, None)
        page = served(newest_first, window)
        found = [(row.place_at, row.id) for row in page.rows]
        walked = found + walked if backward else walked + found
        if not (page.has_previous if backward else page.has_next):
            break
        edge = to_cursor(found[0] if backward else found[-1])
    assert walked == newest_first


def served(newest_first: list[Place], window: Window) -> Page[Row]:
    """What the SQL of a window finds: row values compared, from one end, one more than asked for."""
    between = [
        place
        for place in newest_first
        if (window.after is None or place < window.after) and (window.before is None or place > window.before)
    ]
    between = between[::-1] if window.backward else between
    return Page.of([Row(*place) for place in between[: window.size + 1]], window)
