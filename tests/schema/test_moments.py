"""Times have one shape wherever they are told: RFC 3339 in UTC, always with six digits of a second."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import GraphQLObjectType, get_named_type

from backend.stories.models import Tombstone
from schema.execution.graphql_schema import GRAPHQL
from tests.api import FAILURE, ApiClient
from tests.api.moderation import make_moderator, new_key
from tests.api.notifications import told_of
from tests.schema.access_fixture import THINGS, AccessFixture, kind_of
from tests.schema.unguarded import unguarded

pytestmark = pytest.mark.django_db(transaction=True)

SHAPE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")
COLUMNS = """
SELECT column_.table_name, column_.column_name FROM information_schema.columns AS column_
JOIN information_schema.tables AS table_ USING (table_schema, table_name)
WHERE table_schema = 'public' AND data_type = 'timestamp with time zone' AND table_type = 'BASE TABLE'
"""


def round_all() -> None:
    """Let every time in the database be one of a whole second, which could be written shorter than the others."""
    with unguarded() as cursor:
        cursor.execute(COLUMNS)
        for table, column in cursor.fetchall():
            cursor.execute(f'UPDATE "{table}" SET "{column}" = date_trunc(\'second\', "{column}")')


def moments(type_name: str) -> list[str]:
    """The fields of a type that are times."""
    type_: Any = GRAPHQL.type_map[type_name]
    return [name for name, field in type_.fields.items() if get_named_type(field.type).name == "DateTime"]


def told(value: Any) -> Iterator[str]:
    """All texts in an answer that begin like a time."""
    if isinstance(value, dict):
        for one in value.values():
            yield from told(one)
    elif isinstance(value, list):
        for one in value:
            yield from told(one)
    elif isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value):
        yield value


TOLD_BELOW = {("Decision", "until"), ("Decision", "liftedAt"), ("Person", "suspendedUntil")}
"""Of somebody who is suspended, as nobody is to whom every thing is shown."""


def test_every_time_of_every_thing_has_the_shape() -> None:
    """Of each type of the contract that can be looked up, as a query prints it; what could be shorter is not."""
    access = AccessFixture()
    round_all()
    asked: set[tuple[str, str]] = set()
    for thing in dict.fromkeys(row.what for row in THINGS):
        names = moments(kind_of(thing))
        if not names:
            continue
        query = f"query ($id: ID!) {{ node(id: $id) {{ ... on {kind_of(thing)} {{ {' '.join(names)} }} }} }}"
        for caller in (access.author, access.callers["follower"], access.callers["moderator"]):
            found = caller.ask(query, id=access.ids[thing](caller))["node"] or {}
            for name, value in found.items():
                if value is not None:
                    assert SHAPE.fullmatch(value), (thing, name, value)
                    assert ".000000" in value, (thing, name, value)
                    asked.add((kind_of(thing), name))
    nodes = [one.name for one in GRAPHQL.get_possible_types(GRAPHQL.type_map["Node"])]  # type: ignore[arg-type]
    assert asked >= {(type_, name) for type_ in nodes for name in moments(type_)} - TOLD_BELOW - {
        ("Story", "republishedAt")
    }


def test_no_type_tells_a_time_that_these_tests_do_not_look_at() -> None:
    """Those that are no nodes: of a conflict, of what is gone, of a suspension, and of health, which the tests below ask for."""
    others = {
        (name, field)
        for name, type_ in GRAPHQL.type_map.items()
        if isinstance(type_, GraphQLObjectType) and GRAPHQL.type_map["Node"] not in type_.interfaces
        for field in moments(name)
    }
    assert others == {
        ("Appeal", "at"),
        ("Coauthor", "since"),
        ("ConflictError", "at"),
        ("ForbiddenError", "until"),
        ("MomentValue", "moment"),
        ("Present", "since"),
        ("NotFoundError", "deletedAt"),
        ("Health", "startedAt"),
        ("HotThing", "lastAt"),
    }


PROFILE = """
mutation ($patch: ProfilePatch!, $version: Version!, $key: UUID) {
  updateProfile(patch: $patch, expect: {version: $version}, key: $key) {
    ... on ProfileSuccess { applied person { id joinedAt updatedAt } }
    ... on ConflictError { at current { updatedAt } }
  }
}
"""


def test_a_mutation_tells_the_same_as_a_query(asha: ApiClient) -> None:
    """What is written, what is so already, a replay, and the present state in a conflict; each as the query after it."""
    key = new_key()
    asha.ask(PROFILE, patch={"name": "New"}, version="1", key=key)
    round_all()
    viewer = asha.ask("{ viewer { id joinedAt updatedAt } }")["viewer"]
    assert ".000000+00:00" in viewer["joinedAt"]
    for answer in (
        asha.ask(PROFILE, patch={"name": "New"}, version="2"),
        asha.ask(PROFILE, patch={"name": "New"}, version="1", key=key),
        asha.ask(PROFILE, patch={"name": "Other"}, version="1"),
        asha.ask(PROFILE, patch={"name": "Other"}, version="2"),
    ):
        shapes = list(told(answer))
        assert len(shapes) == 2, answer
        assert all(map(SHAPE.fullmatch, shapes)), answer
        person = answer["updateProfile"].get("person", viewer)
        assert person["joinedAt"][:19] == viewer["joinedAt"][:19]


def test_a_time_in_json_has_it_too(asha: ApiClient, bilal: ApiClient) -> None:
    """Of two devices that mark a notification read, the second hears in `overlaps` when the first did."""
    id_ = told_of(bilal, asha.published_story()["id"])
    bilal.mark_read(id_)
    round_all()
    query = (
        f'mutation ($id: ID!) {{ markNotificationRead(id: $id, expect: {{version: "1"}}) {{ __typename {FAILURE} '
        "... on ConflictError { current { ... on Notification { readAt } } "
        "overlaps { theirsValue { ... on MomentValue { moment } } } } } }"
    )
    late = bilal.ask(query, id=id_)["markNotificationRead"]
    (overlap,) = late["overlaps"]
    assert overlap["theirs"] == overlap["theirsValue"]["moment"] == late["current"]["readAt"]
    assert SHAPE.fullmatch(overlap["theirs"])


def test_what_is_gone_says_when_in_the_same_shape(asha: ApiClient) -> None:
    """As a field, and in the message."""
    story = asha.create_story("0")["story"]["id"]
    asha.delete_story(story, "1")
    round_all()
    assert Tombstone.objects.exists()
    gone = asha.update_story(story, {"title": "Late"}, "1")
    assert SHAPE.fullmatch(gone["deletedAt"])
    assert gone["deletedAt"] in gone["message"]


def test_a_co_author_writes_since_a_moment_in_the_same_shape(asha: ApiClient, bilal: ApiClient) -> None:
    """The same as the last write to the story, which was that they came to."""
    story = asha.written_with(bilal)
    found = asha.ask("query ($id: ID!) { story(id: $id) { updatedAt coauthors { since } } }", id=story)["story"]
    assert [one["since"] for one in found["coauthors"]] == [found["updatedAt"]]
    assert SHAPE.fullmatch(found["updatedAt"])


SUSPENDED = "{ viewer { suspendedUntil decisions { edges { node { until liftedAt appeal { at } } } } } }"


def test_a_suspension_tells_its_times_so(asha: ApiClient, bilal: ApiClient) -> None:
    """What it refuses, the decision with its appeal, the person; and the decision once it was lifted."""
    decision = make_moderator(asha).decided(asha.report(bilal.id)["report"]["id"], "SUSPENDED", days=3)["id"]
    assert bilal.appeal(decision)["applied"] == "WRITTEN"
    round_all()
    suspended = bilal.ask(SUSPENDED)["viewer"]
    follow = 'mutation ($id: ID!) { follow(person: $id, expect: {version: "0"}) { ... on ForbiddenError { until } } }'
    refused = bilal.ask(follow, id=asha.id)["follow"]
    assert asha.judge(decision, "OVERTURNED")["applied"] == "WRITTEN"
    round_all()
    lifted = bilal.ask(SUSPENDED)["viewer"]
    (one,), (other,) = suspended["decisions"]["edges"], lifted["decisions"]["edges"]
    assert refused["until"] == suspended["suspendedUntil"] == one["node"]["until"] == other["node"]["until"]
    assert (one["node"]["liftedAt"], lifted["suspendedUntil"]) == (None, None)
    shown = [refused["until"], other["node"]["liftedAt"], other["node"]["appeal"]["at"]]
    assert all(map(SHAPE.fullmatch, shown))
    assert all(".000000" in one for one in shown)


def test_health_tells_its_times_so(asha: ApiClient) -> None:
    """When the server started, and when a thing was last fought over."""
    make_moderator(asha)
    assert asha.update_profile({"name": "A"}, "7")["code"] == "CONFLICT"
    health = asha.ask("{ health { startedAt hottest { lastAt } } }")["health"]
    assert health["hottest"]
    assert all(map(SHAPE.fullmatch, told(health)))
