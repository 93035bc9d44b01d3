"""Pages of lists: what Relay asks of a connection, for every list, against a plain list in Python."""

from typing import Any

import pytest
from graphql import GraphQLObjectType
from hypothesis import example, given
from hypothesis import strategies as st

from backend.pages import tag_of
from backend.sources import Page
from backend.stories.lists import FEED_PAGE
from schema.execution.graphql_schema import GRAPHQL
from schema.nodes import SOURCE
from tests.schema.page_lists import COUNT, DECLARED, LISTS, Lists, ids, make_lists
from tests.worlds import MadeOnce


@pytest.fixture(scope="module")
def lists(made_once: MadeOnce) -> Lists:
    """The same for all."""
    return made_once(make_lists)


# --- Against a plain list ---------------------------------------------------------------------------------------


def model(order: list[str], window: dict[str, Any], cursors: list[str]) -> dict[str, Any]:
    """What Relay's specification says that a page holds, in its own steps (section 4.4)."""
    start = cursors.index(window["after"]) + 1 if window["after"] else 0
    end = cursors.index(window["before"]) if window["before"] else len(order)
    between = list(range(start, max(start, end)))
    size = window["last"] if window["last"] is not None else window["first"]
    size = 20 if size is None else size
    backward = window["last"] is not None
    chosen = (between[-size:] if size else []) if backward else between[:size]
    more = len(between) > size
    return {
        "ids": [order[index] for index in chosen],
        "cursors": [cursors[index] for index in chosen],
        "hasNextPage": bool(window["before"]) if backward else more,
        "hasPreviousPage": more if backward else bool(window["after"]),
    }


windows = st.fixed_dictionaries(
    {
        "size": st.none() | st.integers(0, COUNT + 2),
        "backward": st.booleans(),
        "after": st.none() | st.integers(0, COUNT - 1),
        "before": st.none() | st.integers(0, COUNT - 1),
    }
)


@pytest.mark.parametrize("kind", LISTS)
@given(asked=windows)
@example(asked={"size": 0, "backward": False, "after": None, "before": None})
@example(asked={"size": 0, "backward": True, "after": None, "before": None})
@example(asked={"size": 3, "backward": False, "after": 2, "before": 4})
@example(asked={"size": 3, "backward": True, "after": 2, "before": 9})
@example(asked={"size": 3, "backward": True, "after": 5, "before": 5})
@example(asked={"size": 3, "backward": False, "after": 9, "before": 2})
def test_any_window_is_what_relay_says(lists: Lists, kind: str, asked: dict[str, Any]) -> None:
    """Forward, backward, between two cursors, empty, crossed: rows, order, cursors and both flags."""
    order = lists.order[kind]
    cursors = [edge["cursor"] for edge in lists.page(kind, first=100)["edges"]]
    window = {
        "first": None if asked["backward"] else asked["size"],
        "last": asked["size"] if asked["backward"] else None,
        "after": None if asked["after"] is None else cursors[asked["after"]],
        "before": None if asked["before"] is None else cursors[asked["before"]],
    }
    page, expected = lists.page(kind, **window), model(order, window, cursors)
    info = page["pageInfo"]
    assert ids(page) == expected["ids"]
    assert [edge["cursor"] for edge in page["edges"]] == expected["cursors"]
    assert (info["hasNextPage"], info["hasPreviousPage"]) == (expected["hasNextPage"], expected["hasPreviousPage"])
    ends = (expected["cursors"][0], expected["cursors"][-1]) if expected["cursors"] else (None, None)
    assert (info["startCursor"], info["endCursor"]) == ends


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_all_pages_together_are_the_list(lists: Lists, kind: str, size: int) -> None:
    """Newest first (reports oldest first), each once, ties in a fixed order; from either end."""
    forward, after, backward, before = [], None, [], None
    while True:
        page = lists.page(kind, first=size, after=after)
        forward += ids(page)
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    while True:
        page = lists.page(kind, last=size, before=before)
        backward = ids(page) + backward
        before = page["pageInfo"]["startCursor"]
        if not page["pageInfo"]["hasPreviousPage"]:
            break
    assert forward == backward == lists.order[kind]


# --- What is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LISTS)
def test_a_window_that_makes_no_sense_is_invalid(lists: Lists, kind: str) -> None:
    """Sizes below 0 or over 100, both ends at once, and cursors that were never handed out; each is named."""
    cursor = lists.page(kind, first=1)["pageInfo"]["endCursor"]
    bad: list[tuple[str, dict[str, Any]]] = [
        *((name, {name: size}) for name in ("first", "last") for size in (-1, 101, 2**31 - 1, -(2**31))),
        ("last", {"first": 1, "last": 1}),
        *(
            (name, {name: one})
            for name in ("after", "before")
            for one in (
                "",
                "x",
                "é",
                "\0",
                cursor[:-1],
                cursor + "A",
                cursor[:-4],
                "f39_" * 8,
                "A" * 31 + "=",
                "x" * 9_000,
            )
        ),
    ]
    for name, window in bad:
        who = lists.them if kind == "shelf" else lists.me
        answer = who.post(DECLARED + LISTS[kind], **window)
        assert [error["extensions"]["code"] for error in answer.get("errors", [])] == ["INVALID"], window
        assert answer["errors"][0]["message"].startswith(f"{name}: "), window


ALIKE = ({"stories", "found by text"}, {"reports", "open reports"})
"""The same list, of which a filter leaves more or less."""


@pytest.mark.parametrize("kind", LISTS)
def test_a_cursor_of_another_list_is_refused(lists: Lists, kind: str) -> None:
    """The same moment is a place in both, from which rows would be left out in silence."""
    who = lists.them if kind == "shelf" else lists.me
    for other in LISTS:
        cursor = lists.page(other, first=1)["pageInfo"]["endCursor"]
        for end in ("after", "before"):
            answer = who.post(DECLARED + LISTS[kind], **{end: cursor})
            if kind == other or {kind, other} in ALIKE:
                assert "errors" not in answer, other
                continue
            (error,) = answer["errors"]
            assert error["extensions"]["code"] == "INVALID"
            assert error["message"] == f"{end}: is not a cursor of this list.", other


def test_both_ends_may_be_of_another_list(lists: Lists) -> None:
    """Then both are named."""
    cursor = lists.page("followers", first=1)["pageInfo"]["endCursor"]
    (error,) = lists.me.post(DECLARED + LISTS["feed"], after=cursor, before=cursor)["errors"]
    assert error["message"] == "after: is not a cursor of this list. before: is not a cursor of this list."


def test_no_two_lists_have_the_same_tag() -> None:
    """Two bytes are few: a new list whose name happens to collide has to be called otherwise."""
    pages = {
        f"{name}.{field}": source
        for name, type_ in GRAPHQL.type_map.items()
        if isinstance(type_, GraphQLObjectType)
        for field, definition in type_.fields.items()
        if isinstance(
            source := getattr(definition.extensions.get("strawberry-definition"), "metadata", {}).get(SOURCE), Page
        )
    }
    sorts = {*((field, source.at) for field, source in pages.items())}
    sorts |= {("Query.stories", at) for at in ("story.published_at", "story.created_at", "rank.views")}
    sorts |= {
        ("Query.feed", FEED_PAGE.at),
        ("Query.reports", "report.created_at"),
        ("Person.notifications", "notification.created_at"),
    }
    assert len(sorts) > 10
    assert len({tag_of(*one) for one in sorts}) == len(sorts)
