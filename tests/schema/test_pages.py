"""Pages of lists: what Relay asks of a connection, for every list, against a plain list in Python."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from backend.engine.ids import uuid7
from backend.moderation.models import Report
from backend.people.models import Person
from backend.reading.models import Reading
from backend.social.models import Relationship
from backend.stories.models import Story, StoryRank, StoryStatus
from backend.whispers.models import Whisper
from schema.nodes import to_id
from tests.api import Caller
from tests.moderating import make_moderator

COUNT = 11
START = datetime(2024, 2, 29, 12, tzinfo=UTC)
PAGE = "edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
ARGUMENTS = "(first: $first, after: $after, last: $last, before: $before)"
DECLARED = "query ($first: Int, $after: String, $last: Int, $before: String)"
LISTS = {
    "stories": f"{{ stories{ARGUMENTS} {{ {PAGE} }} }}",
    "most read": f"{{ stories{ARGUMENTS.replace('(', '(orderBy: MOST_READ, ')} {{ {PAGE} }} }}",
    "found by text": f"""{{ stories{ARGUMENTS.replace("(", '(filter: {text: "STORY"}, ')} {{ {PAGE} }} }}""",
    "feed": f"{{ feed{ARGUMENTS} {{ {PAGE} }} }}",
    "of an author": f"""{{ person(handle: "bilal") {{ stories{ARGUMENTS} {{ {PAGE} }} }} }}""",
    "shelf": f"{{ viewer {{ shelf {{ stories{ARGUMENTS} {{ {PAGE} }} }} }} }}",
    "readings": f"{{ viewer {{ readings{ARGUMENTS} {{ {PAGE} }} }} }}",
    "whispers": f"{{ whispers{ARGUMENTS} {{ {PAGE} }} }}",
    "whispers of a person": f"""{{ person(handle: "bilal") {{ whispers{ARGUMENTS} {{ {PAGE} }} }} }}""",
    "reports": f"{{ reports{ARGUMENTS} {{ {PAGE} }} }}",
    "open reports": f"{{ reports{ARGUMENTS.replace('(', '(status: OPEN, ')} {{ {PAGE} }} }}",
    "followers": f"""{{ person(handle: "bilal") {{ followers{ARGUMENTS} {{ {PAGE} }} }} }}""",
    "following": f"""{{ person(handle: "bilal") {{ following{ARGUMENTS} {{ {PAGE} }} }} }}""",
}


def moment(n: int) -> datetime:
    """Moments of which three follow each other with ties, a microsecond apart."""
    return START + timedelta(microseconds=n // 3)


class Lists:
    """Each kind of list with eleven rows, several of which share a moment, and the order that it should have."""

    def __init__(self, me: Caller, them: Caller) -> None:
        self.me, self.them = me, them
        self.order: dict[str, list[str]] = {}
        published = add_stories(them, range(COUNT))
        self.order |= dict.fromkeys(("stories", "found by text", "feed", "of an author"), published)
        self.order["most read"] = add_ranks()
        follows = Relationship(
            **pair(me.person.pk, them.person.pk), **follow(me.person.pk, them.person.pk, START - timedelta(days=1))
        )
        Relationship.objects.bulk_create([follows])
        for kind in ("followers", "following"):
            strangers = Person.objects.bulk_create(
                Person(id=uuid7(), handle=f"{kind}{n}", name="Somebody") for n in range(COUNT)
            )
            rows = [(moment(n), stranger.pk) for n, stranger in enumerate(strangers)]
            Relationship.objects.bulk_create(
                Relationship(
                    **pair(them.person.pk, other),
                    **(follow(other, them.person.pk, at) if kind == "followers" else follow(them.person.pk, other, at)),
                )
                for at, other in rows
            )
            if kind == "followers":
                rows.append((START - timedelta(days=1), me.person.pk))
            self.order[kind] = [to_id("Person", other) for _, other in sorted(rows, reverse=True)]

    def page(self, kind: str, **window: Any) -> Any:
        """A page of a list."""
        who = self.them if kind == "shelf" else self.me
        found = who.ask(DECLARED + LISTS[kind], **window)
        while "edges" not in found:
            (found,) = found.values()
        return found


def add_stories(author: Caller, numbers: range) -> list[str]:
    """Published stories, at the moments of these numbers; their ids, newest first."""
    rows = [
        Story(
            id=uuid7(),
            author=author.person,
            title=f"Story {n}",
            status=StoryStatus.PUBLISHED,
            published_at=moment(n),
            created_at=moment(n),
        )
        for n in numbers
    ]
    Story.objects.bulk_create(rows)
    return [to_id("Story", row.pk) for row in sorted(rows, key=lambda row: (row.published_at, row.pk), reverse=True)]


def add_readings(reader: Caller) -> list[str]:
    """A place in each story, moved last at the moments of their numbers; their ids, newest first."""
    rows = [
        Reading(id=uuid7(), story=story, reader=reader.person, updated_at=moment(n))
        for n, story in enumerate(Story.objects.order_by("title"))
    ]
    Reading.objects.bulk_create(rows)
    in_order = sorted(rows, key=lambda row: (row.updated_at, row.pk), reverse=True)
    return [to_id("Reading", row.reader_id, row.story_id) for row in in_order]


def add_whispers(author: Caller) -> list[Whisper]:
    """Whispers, at the moments of their numbers, newest first."""
    rows = [Whisper(author=author.person, text=f"{n}", created_at=moment(n)) for n in range(COUNT)]
    Whisper.objects.bulk_create(rows)
    return sorted(rows, key=lambda row: (row.created_at, row.pk), reverse=True)


def add_reports(reporter: Caller, whispers: list[Whisper]) -> list[str]:
    """A report of each whisper, at the moment of its own; their ids, oldest first."""
    rows = [
        Report(about_id=one.author_id, reporter=reporter.person, whisper=one, reason="Look.", created_at=one.created_at)
        for one in whispers
    ]
    Report.objects.bulk_create(rows)
    return [to_id("Report", row.pk) for row in sorted(rows, key=lambda row: (row.created_at, row.pk))]


def add_ranks() -> list[str]:
    """A rank for each story, three of them alike; the ids of the stories, most read first."""
    StoryRank.objects.bulk_create(
        StoryRank(story=story, views=n // 3) for n, story in enumerate(Story.objects.order_by("-title"))
    )
    return [to_id("Story", rank.pk) for rank in StoryRank.objects.order_by("-views", "-story_id")]


def pair(one: Any, other: Any) -> dict[str, Any]:
    """The key of a pair."""
    return {"low_id": min(one, other), "high_id": max(one, other)}


def follow(follower: Any, followed: Any, at: datetime) -> dict[str, Any]:
    """That one of a pair follows the other since a moment."""
    return {("low_" if follower < followed else "high_") + "follows_at": at}


@pytest.fixture
def lists(asha: Caller, bilal: Caller) -> Lists:
    """Asha looks at bilal's lists."""
    lists = Lists(asha, bilal)
    lists.order["shelf"] = lists.order["stories"]
    lists.order["readings"] = add_readings(asha)
    whispers = add_whispers(bilal)
    newest, oldest = [to_id("Whisper", one.pk) for one in whispers], add_reports(make_moderator(asha), whispers)
    lists.order |= {"whispers": newest, "whispers of a person": newest, "reports": oldest, "open reports": oldest}
    return lists


def ids(page: Any) -> list[str]:
    """The ids of a page."""
    return [edge["node"]["id"] for edge in page["edges"]]


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
@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


def test_pages_stay_put_while_rows_come_and_go(lists: Lists) -> None:
    """What is inserted before the cursor or removed behind it moves nothing; the cursor's own row may be gone."""
    first = lists.page("stories", first=4)
    newer = add_stories(lists.them, range(COUNT + 3, COUNT + 9))
    cursor, last_id = first["pageInfo"]["endCursor"], ids(first)[-1]
    by_id = {to_id("Story", story.pk): story.pk for story in Story.objects.all()}
    Story.objects.filter(pk__in=[by_id[ids(first)[0]], by_id[last_id]]).delete()
    second = lists.page("stories", first=4, after=cursor)
    assert ids(second) == lists.order["stories"][4:8]
    gone = lists.order["stories"][8]
    Story.objects.filter(pk=by_id[gone]).delete()
    third = lists.page("stories", first=4, after=second["pageInfo"]["endCursor"])
    assert ids(third) == lists.order["stories"][9:]
    assert third["pageInfo"]["hasNextPage"] is False
    back = lists.page("stories", last=10, before=cursor)
    assert ids(back) == newer + lists.order["stories"][1:3]


def test_without_a_size_there_are_twenty(lists: Lists) -> None:
    """And more are announced."""
    add_stories(lists.them, range(20, 40))
    page = lists.page("stories")
    assert (len(page["edges"]), page["pageInfo"]["hasNextPage"]) == (20, True)


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


def test_a_cursor_of_another_list_is_a_place_like_any_other(lists: Lists) -> None:
    """Cursors say where, not in what: nothing breaks."""
    cursor = lists.page("followers", first=1)["pageInfo"]["endCursor"]
    assert len(lists.page("stories", first=100, after=cursor)["edges"]) <= COUNT


# --- Totals -----------------------------------------------------------------------------------------------------


def test_totals_are_of_the_whole_list(asha: Caller, bilal: Caller, chitra: Caller) -> None:
    """Whatever the page."""
    asha.follow(chitra)
    bilal.follow(chitra)
    chitra.follow(bilal, "1")
    query = """{ person(handle: "chitra") {
      followers(first: 1) { totalCount edges { node { handle } } } following(first: 0) { totalCount edges { cursor } }
    } }"""
    found = asha.ask(query)["person"]
    assert found["followers"] == {"totalCount": 2, "edges": [{"node": {"handle": "bilal"}}]}
    assert found["following"] == {"totalCount": 1, "edges": []}
