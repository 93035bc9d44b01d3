"""How an operation is run: faults are masked, a database that cannot be reached is said to be."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import ANY

import pytest
from django.db import DataError, OperationalError, connection
from graphql import GraphQLScalarType

from backend.people import queries
from resolvers import people
from schema.execution import markers
from schema.execution.graphql_schema import GRAPHQL
from schema.execution.length import characters_of, measured
from schema.execution.texts import SHORT
from tests.api import ApiClient
from tests.api.http import Client
from tests.schema.raw_http import post
from tests.schema.replacing import replaced

SECRET = "select password from people_account"
WITH_FRIEND = "{ viewer { handle followerCount } stories { edges { node { id } } } }"


# --- Faults -----------------------------------------------------------------------------------------------------


def fail(*_args: object) -> Any:
    """A fault of ours."""
    raise LookupError(SECRET)


WRONG = f"(SELECT 1 / 0 AS {json.dumps(SECRET)})"
"""SQL that fails, with a text that nobody may see."""


def test_a_fault_is_masked_and_logged(asha: ApiClient, caplog: pytest.LogCaptureFixture) -> None:
    """The client hears under which id it is logged; the log has the exception. A query is one statement, so nothing is left."""
    with caplog.at_level(logging.ERROR, "katha"), replaced(queries.FOLLOWER_COUNT, WRONG):
        answer = asha.post(WITH_FRIEND)
    (error,) = answer["errors"]
    assert answer["data"] is None
    assert error["extensions"] == {"code": "INTERNAL_SERVER_ERROR", "requestId": ANY}
    assert error["extensions"]["requestId"] in error["message"]
    assert SECRET not in json.dumps(answer)
    assert "division" not in json.dumps(answer)
    (record,) = caplog.records
    assert record.exc_info[0] is DataError  # type: ignore[index]
    assert asha.ask("{ viewer { followerCount } }") == {"viewer": {"followerCount": 0}}


def test_a_fault_of_a_mutation_says_so(asha: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Masked as well, and not taken for a refusal."""
    monkeypatch.setattr(people.actions, "update_profile", fail)
    query = 'mutation { updateProfile(patch: {name: "A"}, expect: {version: "1"}) { __typename } }'
    answer = asha.post(query)
    assert answer["data"] is None
    assert answer["errors"][0]["extensions"] == {"code": "INTERNAL_SERVER_ERROR", "requestId": ANY}
    assert SECRET not in json.dumps(answer)


def test_an_error_of_the_database_is_masked(asha: ApiClient) -> None:
    """SQL that cannot be right is a fault of ours: no text of PostgreSQL's is passed on."""
    with replaced(queries.BY_HANDLE, "SELECT nonsense FROM people_person"):
        answer = asha.post('{ person(handle: "bilal") { id } viewer { handle } }')
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "nonsense" not in json.dumps(answer)
    assert asha.ask("{ viewer { handle } }") == {"viewer": {"handle": "asha"}}


# --- A database that is not there -------------------------------------------------------------------------------


@contextmanager
def unreachable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No connection can be made."""

    def refuse(_parameters: object) -> Any:
        raise OperationalError(f"connection to {SECRET} failed")

    connection.close()
    with monkeypatch.context() as patch:
        patch.setattr(connection, "get_new_connection", refuse)
        yield
    connection.close()


def check_busy(error: dict[str, Any]) -> None:
    """The error says that it is worth to try again, when, and no more."""
    assert error["extensions"]["code"] == "BUSY"
    assert error["extensions"]["retry"]["kind"] == "SAME_REQUEST"
    assert 0 < error["extensions"]["retry"]["afterMs"] < 1_000
    assert SECRET not in json.dumps(error)


def test_a_query_without_a_database_is_busy(asha: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is answered as soon as it is back."""
    with unreachable(monkeypatch):
        answer = asha.post("{ viewer { handle } }")
        assert answer["data"] is None
        check_busy(answer["errors"][0])
    assert asha.ask("{ viewer { handle } }") == {"viewer": {"handle": "asha"}}


def test_a_mutation_without_a_database_is_busy(
    asha: ApiClient, bilal: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typed where it can be, and afterwards the same request is served."""
    with unreachable(monkeypatch):
        answer = asha.post(
            "mutation ($p: ID!) { block(person: $p) { __typename ... on BusyError { code retry { kind } } } }",
            p=bilal.id,
        )
        if "errors" in answer:
            check_busy(answer["errors"][0])
        else:
            assert answer["data"]["block"]["code"] == "BUSY"
    assert asha.block(bilal)["applied"] == "WRITTEN"


def test_what_needs_no_database_is_served_without(nobody: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schema, and the process's own health; readiness says what is missing."""
    with unreachable(monkeypatch):
        assert post({"query": "{ __schema { queryType { name } } }"}).json()["data"]
        assert Client().get("/healthz").status_code == 200
        ready = Client().get("/readyz")
        assert (ready.status_code, ready.json()["database"]) == (503, "unreachable")
    assert Client().get("/readyz").json() == {"status": "ok", "database": "ok", "migrations": "ok"}


def test_a_connection_that_was_cut_is_replaced(asha: ApiClient, bilal: ApiClient) -> None:
    """The request that finds it broken is told to try again, and the next one is served."""
    for _ in range(2):
        connection.ensure_connection()
        connection.connection.pgconn.finish()
        answer = asha.post("{ viewer { handle } }")
        if "errors" in answer:
            check_busy(answer["errors"][0])
            answer = asha.post("{ viewer { handle } }")
        assert answer == {"data": {"viewer": {"handle": "asha"}}}


# --- Answers that would be too long -----------------------------------------------------------------------------


def test_an_answer_that_would_be_too_long_is_refused(asha: ApiClient, settings: Any) -> None:
    """Texts that are asked for by many names count as often; short ones do not count."""
    settings.MAX_ANSWER_CHARACTERS = 20_000
    asha.update_profile({"bio": "x" * 2_000}, "1")
    names = "{ viewer { %s } }"
    assert asha.ask(names % " ".join(f"b{n}: bio" for n in range(10)))["viewer"]["b9"] == "x" * 2_000
    assert asha.ask(names % " ".join(f"h{n}: handle" for n in range(50)))
    answer = asha.post(names % " ".join(f"b{n}: bio" for n in range(11)))
    (error,) = answer["errors"]
    assert answer["data"] is None
    assert error["extensions"] == {"code": "LIMIT_EXCEEDED", "limit": "answer", "most": 20_000, "found": 22_000}


def test_a_write_whose_answer_would_be_too_long_is_written(asha: ApiClient, settings: Any) -> None:
    """And the client is told that it may be, and how to hear of it."""
    settings.MAX_ANSWER_CHARACTERS = 20_000
    bios = " ".join(f"b{n}: bio" for n in range(11))
    answer = asha.post(
        'mutation ($bio: String!) { updateProfile(patch: {bio: $bio}, expect: {version: "1"}) '
        f"{{ ... on ProfileSuccess {{ person {{ {bios} }} }} }} }}",
        bio="x" * 2_000,
    )
    assert answer["data"] is None
    assert answer["errors"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
    assert "send it again with its key" in answer["errors"][0]["message"]
    assert asha.ask("{ viewer { version bio } }")["viewer"] == {"version": "2", "bio": "x" * 2_000}


def test_what_is_at_hand_is_counted_too(asha: ApiClient, settings: Any) -> None:
    """The texts of a new story's chapters, which no statement prints."""
    settings.MAX_ANSWER_CHARACTERS = 20_000
    chapters = [{"title": "T", "body": "x" * 2_000}] * 5
    create = (
        "mutation ($new: CreateStoryInput!, $seen: Expect!) { createStory(input: $new, expect: $seen) "
        "{ ... on StorySuccess { story { chapters { %s } } } } }"
    )
    for shelf, names in enumerate(("a: body b: body", "a: body b: body c: body")):
        new = {"title": "T", "chapters": chapters}
        answer = asha.post(create % names, new=new, seen={"version": str(shelf)})
        assert ("errors" in answer) == ("c: body" in names)
    assert answer["data"] is None
    assert answer["errors"][0]["extensions"]["limit"] == "answer"
    assert asha.shelf_version() == "2"


OF_REVISIONS = "revisions(first: 100) { edges { node { values } } }"
CONFLICT = "... on ConflictError { overlaps { base mine theirs } suggestion }"


def history(who: ApiClient, texts: int, characters: int) -> dict[str, Any]:
    """A story of ten chapters; the first had so many texts before, and the chapters another order."""
    story: dict[str, Any] = who.create_story("0", chapters=10)["story"]
    first = story["chapters"][0]["id"]
    for n in range(texts):
        assert who.update_chapter(first, {"body": f"{n}" * characters}, str(n + 1))["applied"] == "WRITTEN"
    order = [chapter["id"] for chapter in story["chapters"]]
    who.reorder(story["id"], order[::-1], str(texts + 1))
    return {**story, "first": first}


def longest(asked: str, who: ApiClient, settings: Any, **variables: Any) -> int:
    """How many characters of this are counted: below that it is refused, with it it is answered."""
    settings.MAX_ANSWER_CHARACTERS = 1
    (error,) = who.post(asked, **variables)["errors"]
    low, high = int(error["extensions"]["found"]), 10_000_000
    while low < high:
        settings.MAX_ANSWER_CHARACTERS = (low + high) // 2
        low, high = (
            (low, settings.MAX_ANSWER_CHARACTERS)
            if "errors" not in who.post(asked, **variables)
            else (
                settings.MAX_ANSWER_CHARACTERS + 1,
                high,
            )
        )
    return high


def test_values_of_revisions_are_counted(asha: ApiClient, settings: Any) -> None:
    """By each name that they are asked for, texts as well as lists of short texts, as they are stored."""
    story = history(asha, 3, 2_000)
    of_chapter = "query ($id: ID!) { node(id: $id) { ... on Chapter { %s } } }"
    counted = [
        longest(of_chapter % " ".join(f"a{n}: {OF_REVISIONS}" for n in range(times)), asha, settings, id=story["first"])
        for times in (1, 3)
    ]
    assert counted[0] >= 2 * 2_000
    assert counted[1] == 3 * counted[0]
    order = "query ($id: ID!) { story(id: $id) { %s } }"
    settings.MAX_ANSWER_CHARACTERS = 10**9
    (edge,) = asha.ask(order % OF_REVISIONS, id=story["id"])["story"]["revisions"]["edges"]
    text = json.dumps(edge["node"]["values"])
    assert len(text) > SHORT
    assert len(text) // 2 <= longest(order % OF_REVISIONS, asha, settings, id=story["id"]) <= len(text)


def test_what_conflicts_tell_is_counted(asha: ApiClient, settings: Any) -> None:
    """Base, mine, theirs, and the suggestion; of the mutations beside them something may be written."""
    chapter = history(asha, 2, 2_000)["first"]
    field = f'updateChapter(id: $id, patch: {{body: $b}}, expect: {{version: "2"}}, onConflict: MERGE) {{ {CONFLICT} }}'
    asked = "mutation ($id: ID!, $b: String!) { %s }"
    one = longest(asked % field, asha, settings, id=chapter, b="x" * 2_000)
    assert one > 6 * 2_000
    settings.MAX_ANSWER_CHARACTERS = 3 * one - 1
    many = asked % " ".join(f"a{n}: {field}" for n in range(3))
    answer = asha.post(many, id=chapter, b="x" * 2_000)
    assert answer["data"] is None
    assert answer["errors"][0]["extensions"]["limit"] == "answer"
    assert "may be written" in answer["errors"][0]["message"]


def test_nothing_more_is_done_for_an_answer_that_is_too_long(
    asha: ApiClient, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No value is read."""
    story = history(asha, 3, 2_000)
    made: list[Any] = []
    monkeypatch.setattr(markers.Reader, "data", lambda *given: made.append(given))
    settings.MAX_ANSWER_CHARACTERS = 5_000
    names = " ".join(f"a{n}: {OF_REVISIONS}" for n in range(20))
    answer = asha.post(f"query ($id: ID!) {{ node(id: $id) {{ ... on Chapter {{ {names} }} }} }}", id=story["first"])
    assert answer["errors"][0]["extensions"]["limit"] == "answer"
    assert not made


@pytest.mark.parametrize(
    "value", ["x" * 600, ["x" * 100] * 10, {"a": {"b": ["x" * 600]}}, [0] * 1_000, {f"{n}": None for n in range(1_000)}]
)
def test_a_json_value_counts_at_least_its_length(value: Any) -> None:
    assert len(json.dumps(value, separators=(",", ":"))) <= characters_of(value)


def test_scalars_are_counted_whichever_they_are() -> None:
    """All but numbers, which are short."""
    for name, scalar in GRAPHQL.type_map.items():
        if isinstance(scalar, GraphQLScalarType) and name not in {
            "BigInt",
            "Int",
            "Float",
            "Boolean",
            "Date",
            "DateTime",
        }:
            with measured() as length:
                scalar.coerce_output_value("x" * 1_000)
            assert length.found >= 1_000, name
