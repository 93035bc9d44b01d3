"""The one statement of a query says, byte for byte, what its plan says when it is cut.

Cut at every field, it is GraphQL's own execution over a statement for each field; cut where a source leaves its row's aggregate,
it is a statement for each piece, as a sharded engine would run it.
"""

import json
from collections import Counter
from contextlib import nullcontext
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import settings
from django.db import connection, transaction

from backend.changes import log
from backend.stories.queries import AUTHOR
from schema.server import in_process
from schema.server.policy import Policy
from schema.server.requests import Request
from tests.depth import EXHAUSTIVE
from tests.schema.reads import pieces
from tests.schema.reads.cut import cut_at_fields
from tests.schema.reads.documents import Asked, document
from tests.schema.reads.pieces import cut_by_aggregates
from tests.schema.reads.recorder import META
from tests.schema.reads.shrinking import shrunk
from tests.schema.reads.world import World, make_world
from tests.worlds import MadeOnce

PARTS = 10
DOCUMENTS = 2_000 if EXHAUSTIVE else 20
"""How many documents each part compares."""
CUTS = {
    "one statement": nullcontext,
    "a statement for each field": cut_at_fields,
    "a statement for each aggregate": cut_by_aggregates,
}
"""Where a plan can be cut."""


@pytest.fixture(scope="module")
def world(made_once: MadeOnce) -> World:
    """A database with everything that reads distinguish."""
    return made_once(make_world)


@pytest.fixture(autouse=True)
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks too much, and small statements take their time."""
    monkeypatch.setattr(settings, "COST_A_MINUTE", 0)
    monkeypatch.setattr(settings, "REQUEST_SECONDS", 60)


def answered(asked: Asked, token: str | None) -> tuple[int, bytes]:
    """Status and bytes of the answer."""
    body = json.dumps(asked.body()).encode()
    signed = {"HTTP_AUTHORIZATION": f"Bearer {token}"} if token else {}
    request = Request({**META, "CONTENT_LENGTH": str(len(body)), **signed}, Policy.of_settings())
    request.arrived(body)
    answer = in_process.answer(request)
    return answer.status, answer.body


def answers(asked: Asked, world: World, *writes: str) -> dict[str, tuple[int, bytes]]:
    """The answer by each way to cut, in one snapshot. What is written before is rolled back."""
    token = world.tokens[asked.viewer]
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            for sql in writes:
                cursor.execute(sql)
        found = {}
        for name, cut in CUTS.items():
            with cut():
                found[name] = answered(asked, token)
        transaction.set_rollback(True)
    return found


def differ(found: dict[str, tuple[int, bytes]]) -> bool:
    """Whether not all say the same."""
    return len(set(found.values())) > 1


def require_same(asked: Asked, world: World) -> dict[str, Any]:
    """The answer, in which all agree. Shows the smallest document on which they do not."""
    found = answers(asked, world)
    if differ(found):
        small = shrunk(asked, lambda one: differ(answers(one, world)))
        said = "\n".join(f"{name}: {answer}" for name, answer in answers(small, world).items())
        pytest.fail(f"{small.query}\nvariables {json.dumps(small.variables)}, as {small.viewer}\n{said}")
    answer: dict[str, Any] = json.loads(found["one statement"][1])
    return answer


@pytest.mark.parametrize("part", range(PARTS))
def test_any_document(world: World, part: int) -> None:
    """Documents that chance has made."""
    for number in range(DOCUMENTS):
        require_same(document(world, f"plans:{part}:{number}"), world)


CORNERS = (
    "{ stories(first: 3) { a: edges { node { title } } b: edges { node { id } } } "
    "s2: stories(first: 1) { edges { node { id } } } }",
    "{ a: stories(first: 1) { edges { cursor } } b: stories(last: 2) { edges { cursor } } c: stories(first: 0) "
    "{ edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }",
    "{ stories(first: 2) { __typename edges { __typename node { __typename id } } "
    "pageInfo { __typename hasNextPage } } __typename }",
    "{ stories(first: 2) { ...A ...B } } fragment A on StoryConnection { edges { node { title author { handle } } } } "
    "fragment B on StoryConnection { edges { cursor node { id author { name } } } }",
    "{ stories(first: 2) { edges { node { id: title title: id version: summary r1: mature c0: chapterCount } } } }",
    "{ stories(first: 2) { edges { node @include(if: false) { title } } } }",
    "{ stories(first: 2) { edges { node @skip(if: true) { title } cursor } pageInfo @skip(if: true) { hasNextPage } } }",
    "{ stories(first: 2) { edges @skip(if: true) { cursor } pageInfo { hasNextPage @skip(if: true) } } }",
    "{ stories(first: 2) @skip(if: true) { edges { cursor } } }",
    "{ stories(last: 0) { edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }",
    "{ stories(first: 3) { edges { node { chapters { story { chapters { story { title author { stories(last: 2) { edges "
    "{ node { chapterCount author { relationship { person { handle } } } } } } } } } } } } } }",
    "{ stories(first: 1, last: 1) { edges { cursor } } a: stories(first: 101) { edges { cursor } } b: viewer { handle } }",
    '{ stories(first: 1, after: "no") { edges { cursor } } viewer { id handle } reports { edges { cursor } } }',
    "{ orders { edges { node { lines { edition { story { title author { name relationship { version } } } } } } } } "
    "reports(first: 50) { edges { node { subject { __typename ... on Person { name followerCount relationship { version } } "
    "... on Story { title chapters { title story { id } } } ... on Chapter { story { title chapterCount chapters { body } } } } "
    "} } } }",
    '{ node(id: "no") { id } nodes(ids: ["no", "UGVyc29uOjE="]) { id __typename } empty: nodes(ids: []) { id } }',
)
"""Documents that a compiler might get wrong."""


@pytest.mark.parametrize("viewer", ["asha", "bilal", "kavi", "nobody", "dead"])
def test_corners(world: World, viewer: str) -> None:
    """What a compiler might get wrong."""
    for query in CORNERS:
        require_same(Asked(query, {}, viewer), world)


@pytest.mark.parametrize("viewer", ["asha", "nobody"])
def test_left_out_by_a_variable(world: World, viewer: str) -> None:
    """The same document has a plan for each shape."""
    query = (
        "query ($a: Boolean!, $b: Boolean!, $n: Int) { stories(first: $n) { edges @include(if: $a) { cursor @skip(if: $b) "
        "node @include(if: $b) { title chapters @skip(if: $a) { title } } } pageInfo @skip(if: $a) { endCursor } } }"
    )
    for _ in range(2):
        for a in (True, False):
            for b in (True, False):
                for size in (0, 1, 3, 101, None):
                    require_same(Asked(query, {"a": a, "b": b, "n": size}, viewer), world)


def test_any_node(world: World) -> None:
    """Interface fragments over things of every type, also of what is gone, to those who find them and those who do not."""
    ids = [one for found in world.ids.values() for one in found[:12]] + world.gone
    query = (
        "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Versioned { version updatedAt } "
        "... on Story { title } ... on Node { ... on Person { name followerCount } ... on Chapter { story { title } } } } }"
    )
    for viewer in ("asha", "dev", "kavi", "nobody"):
        require_same(Asked(query, {"ids": ids}, viewer), world)


EVERYTHING = "3:3:"
"""A snapshot before any transaction of ours."""


@pytest.mark.parametrize("viewer", ["asha", "bilal", "dev", "kavi", "nobody"])
def test_what_changed(world: World, viewer: str) -> None:
    """Things of every type in one list, and pages of a walk; refusals of a query that has a type for them."""
    query = (
        "query ($since: String, $first: Int!) { changes(since: $since, first: $first) { __typename ... on ChangePage { cursor "
        "hasMore changes { id version thing { __typename id version updatedAt ... on Story { title chapters { title } } "
        "... on Relationship { person { handle } following } ... on Order { lines { quantity } } } } } "
        "... on ForbiddenError { code retry { kind } decision { id } until } ... on Failure { message retry { afterMs } } } }"
    )
    identity = log.begin().identity
    expired = log.encoded("1" + identity, EVERYTHING)
    since, kinds, pages = log.encoded(identity, EVERYTHING), Counter[str](), 0
    for cursor in (None, expired, "no"):
        require_same(Asked(query, {"since": cursor, "first": 5}, viewer), world)
    while since and pages < 3:
        said = require_same(Asked(query, {"since": since, "first": 40}, viewer), world)["data"]["changes"]
        kinds.update(one["thing"]["__typename"] for one in said.get("changes", ()) if one["thing"])
        since, pages = said.get("cursor") if said.get("hasMore") else None, pages + 1
    assert (viewer == "nobody") or len(kinds) >= 4, kinds


def test_an_error_is_where_its_type_has_the_field(world: World) -> None:
    """Not where another type has one that is called the same."""
    query = (
        "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Chapter { story { revisions(first: -1) { edges { cursor } } } } "
        "... on Edition { story { revisions(last: -1) { __typename } } } ... on Reading { story { title } } } }"
    )
    ids = [one for name in ("Chapter", "Edition") for one in world.ids[name]]
    for viewer in ("asha", "dev", "kavi", "nobody"):
        answer = require_same(Asked(query, {"ids": ids}, viewer), world)
        assert all(len(one["locations"]) == 1 for one in answer.get("errors", ()))


@pytest.mark.parametrize("viewer", ["asha", "nobody"])
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE people_persontally SET count = count + 3000000000",
        "UPDATE stories_storytally SET count = count + 3000000000",
        """UPDATE people_person SET name = E'\\x01{"\\x01":0,"value":1} \\\\ " '' \\\\u0001 $row %s', bio = E'"\\n\\x01}'""",
        "UPDATE people_person SET joined_at = '2026-01-01 00:00:00+00', updated_at = '1969-12-31 23:59:59.000001+00'",
    ],
)
def test_nasty_values(world: World, sql: str, viewer: str) -> None:
    """Totals beyond GraphQL's Int, texts with what marks begin with, times with and without microseconds."""
    query = (
        "{ stories(first: 3) { edges { node { title viewCount author { ...P } } } } viewer { ...P person: id } } "
        "fragment P on Person { name bio joinedAt updatedAt followerCount followingCount storyCount "
        "followers(first: 2) { totalCount edges { cursor node { name joinedAt } } } }"
    )
    found = answers(Asked(query, {}, viewer), world, "ALTER TABLE people_person DISABLE TRIGGER USER", sql)
    assert not differ(found), found


@pytest.mark.parametrize(
    ("query", "statements"),
    [
        (
            "{ stories(first: %d) { edges { node { title viewCount chapterCount chapters { title story { id } } } } } }",
            2,
        ),
        ("{ stories(first: %d) { edges { node { title author { handle followerCount } } } } }", 3),
        ("{ stories(first: %d) { edges { node { author { relationship { version person { storyCount } } } } } } }", 5),
    ],
)
def test_statements_of_the_pieces(world: World, query: str, statements: int) -> None:
    """One for each place where a source leaves its aggregate, the way back included, beside the names of the root fields."""
    for size in (1, 20):
        with patch.object(pieces, "select", side_effect=pieces.select) as select, cut_by_aggregates():
            status, _ = answered(Asked(query % size, {}, "asha"), world.tokens["asha"])
        assert (status, select.call_count) == (200, statements)


def test_a_wrong_declaration_makes_another_answer(world: World) -> None:
    """An author is in another aggregate than the story, so that a piece which is said to have both does not find them."""
    asked = Asked("{ stories(first: 3) { edges { node { author { handle } } } } }", {}, "asha")
    assert not differ(answers(asked, world))
    with patch.dict(vars(AUTHOR), is_local=True):
        assert differ(answers(asked, world))


def test_a_refused_argument_and_a_field_of_nothing_have_plans_of_their_own(world: World) -> None:
    """Whichever of them comes first."""
    query = "query ($handle: String!) {{ {name}: person(handle: $handle) {{ id }} }}"
    refused, nothing = "\0", "no handle"
    for number, handles in enumerate(((refused, nothing, refused), (nothing, refused, nothing))):
        for handle in handles:
            answer = require_same(Asked(query.format(name=f"p{number}"), {"handle": handle}, "asha"), world)
            assert ("errors" in answer) is (handle == refused)


def test_a_variable_may_be_another_in_another_operation(world: World) -> None:
    """Only what belongs to the operation is bound."""
    query = (
        "query Sized($x: Int) { stories(first: $x) { edges { cursor } } } query Called($x: String!) { ...F } "
        "query Many($x: [ID!]!) { nodes(ids: $x) { id } } fragment F on Query { ...G } "
        "fragment G on Query { person(handle: $x) { handle } }"
    )
    for name, value in (("Sized", 1), ("Called", "asha"), ("Many", ["no"])):
        assert "errors" not in require_same(Asked(query, {"x": value}, "asha", operation=name), world)


@pytest.mark.parametrize(
    "query",
    [
        "query ($a: Boolean = true) { viewer @include(if: $a) { id } }",
        "query ($a: Boolean = true) { viewer { stories { edges { cursor @skip(if: $a) } } } }",
        "query ($a: Boolean = true) { viewer { ...F } } fragment F on Person { ... @skip(if: $a) { id } }",
        'mutation ($a: Boolean = true) { updateProfile(patch: {name: "B"}, expect: {version: "0"}) '
        "{ ... on ProfileSuccess { person { id @skip(if: $a) } } } }",
    ],
)
def test_null_does_not_choose_fields(world: World, query: str) -> None:
    """A variable with a default may be null all the same. Refused before anything is read or written."""
    answer = require_same(Asked(query, {"a": None}, "asha"), world)
    (error,) = answer["errors"]
    assert error["message"] == "Variable '$a' has invalid value: @skip and @include need true or false, not null."
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    assert error["locations"][0]["line"] == 1
    assert "data" not in answer
