"""Invalid arguments: a code and a limit for each, and all that is wrong at once."""

import uuid
from typing import Any

import pytest

from backend.engine.errors import Wrong
from schema.execution.graphql_schema import GRAPHQL
from schema.nodes import to_id
from tests.api import PASSWORD, ApiClient
from tests.schema.footprint import nothing_written
from tests.schema.mutation_fixture import MutationFixture, good

FIELDS = "... on InvalidError { fields { path message code limit } }"
DEFAULTS = {"onConflict": "FAIL", "policy": "EXACT"}
LONG = "x" * 201
CHAPTER = to_id("Chapter", uuid.UUID(int=1))
CHAPTERS = [{"title": "T", "body": "B"}] * 201
Found = tuple[str, str, int | None]
CASES: list[tuple[str, dict[str, Any], list[Found]]] = [
    (
        "updateStory",
        {"patch": {"title": LONG, "mature": None}},
        [("patch.title", "TOO_LONG", 200), ("patch.mature", "REQUIRED", None)],
    ),
    ("updateStory", {"patch": {"title": " "}}, [("patch.title", "BLANK", None)]),
    (
        "updateStory",
        {"patch": {"title": "a\nb", "summary": None}},
        [("patch.title", "BAD_CHARACTERS", None), ("patch.summary", "REQUIRED", None)],
    ),
    ("updateStory", {"patch": {}}, [("patch", "REQUIRED", None)]),
    (
        "updateStory",
        {"patch": {"title": "a\0", "summary": "b\0"}},
        [("patch.title", "BAD_CHARACTERS", None), ("patch.summary", "BAD_CHARACTERS", None)],
    ),
    ("updateStory", {"id": "x"}, [("id", "NOT_HANDED_OUT", None)]),
    ("updateStory", {"id": CHAPTER}, [("id", "WRONG_KIND", None)]),
    ("updateStory", {"expect": {"version": "x"}}, [("expect.version", "NOT_HANDED_OUT", None)]),
    ("updateStory", {"expect": {"current": True}}, [("expect.current", "REQUIRED", None)]),
    (
        "updateProfile",
        {"patch": {"showMature": None, "bio": "x" * 2001}},
        [("patch.bio", "TOO_LONG", 2000), ("patch.showMature", "REQUIRED", None)],
    ),
    (
        "createEdition",
        {"title": "", "priceCents": 2_000_000_000, "stock": -1},
        [("title", "BLANK", None), ("priceCents", "TOO_GREAT", 1_000_000_000), ("stock", "TOO_SMALL", 0)],
    ),
    ("placeOrder", {"lines": []}, [("lines", "TOO_FEW", 1)]),
    (
        "createStory",
        {"input": {"title": "", "chapters": CHAPTERS}},
        [("input.title", "BLANK", None), ("input.chapters", "TOO_MANY", 200)],
    ),
    (
        "recordView",
        {"place": {"chapter": CHAPTER, "offset": -1}, "seen": "99"},
        [("place.offset", "TOO_SMALL", 0), ("place.chapter", "NOT_APPLICABLE", None), ("seen", "NOT_HANDED_OUT", None)],
    ),
    (
        "changePassword",
        {"new": "1234"},
        [("new", "TOO_SHORT", 8), ("new", "TOO_COMMON", None), ("new", "ONLY_DIGITS", None)],
    ),
    (
        "signUp",
        {"handle": "asha", "name": "", "password": "asha"},
        [
            ("name", "BLANK", None),
            ("password", "TOO_SIMILAR", None),
            ("password", "TOO_SHORT", 8),
            ("handle", "TAKEN", None),
        ],
    ),
    ("signUp", {"handle": "ASHA"}, [("handle", "TAKEN", None)]),
    (
        "signUp",
        {"handle": "a b", "name": "x" * 101},
        [("handle", "BAD_CHARACTERS", None), ("name", "TOO_LONG", 100)],
    ),
    ("signUp", {"handle": "x" * 51}, [("handle", "TOO_LONG", 50)]),
    ("signUp", {"handle": ""}, [("handle", "BLANK", None)]),
]


def document(name: str) -> str:
    """The mutation with all its arguments, answered with what is wrong."""
    assert GRAPHQL.mutation_type is not None
    arguments = {given: str(one.type) for given, one in GRAPHQL.mutation_type.fields[name].args.items()}
    declared = ", ".join(f"${given}: {type_}" for given, type_ in arguments.items())
    passed = ", ".join(f"{given}: ${given}" for given in arguments)
    return f"mutation ({declared}) {{ {name}({passed}) {{ __typename {FIELDS} }} }}"


@pytest.mark.parametrize(("name", "arguments", "expected"), CASES)
def test_each_argument_that_is_wrong_has_a_code_and_its_limit(
    world: MutationFixture, name: str, arguments: dict[str, Any], expected: list[Found]
) -> None:
    """All of them in one answer, of which nothing is written."""
    with nothing_written():
        answer = world.me.ask(document(name), **{**DEFAULTS, **good(world, name), **arguments})[name]
    assert [(one["path"], one["code"], one["limit"]) for one in answer["fields"]] == expected
    assert all(one["message"] for one in answer["fields"])


def test_oneself_and_what_does_not_go_with_a_state(asha: ApiClient) -> None:
    """What depends on who it is, or on how it is now."""
    oneself = asha.ask(document("follow"), person=asha.id, expect={"version": "0"}, key=None)["follow"]
    assert [one["code"] for one in oneself["fields"]] == ["ONESELF"]
    draft = asha.create_story("0")["story"]["id"]
    given = {"story": draft, "title": "T", "priceCents": 1, "stock": 1, "key": None}
    early = asha.ask(document("createEdition"), **given)["createEdition"]
    assert [(one["path"], one["code"]) for one in early["fields"]] == [("story", "NOT_APPLICABLE")]


def test_a_handle_that_was_taken_meanwhile_has_the_code_too(asha: ApiClient, nobody: ApiClient) -> None:
    """Where nothing else is wrong the constraint tells."""
    answer = nobody.ask(document("signUp"), handle="Asha", name="Another", password=PASSWORD)["signUp"]
    assert answer["fields"] == [{"path": "handle", "message": "is taken.", "code": "TAKEN", "limit": None}]


def test_the_contract_knows_every_code() -> None:
    """So that no refusal is without one."""
    type_: Any = GRAPHQL.type_map["InvalidFieldCode"]
    assert set(type_.values) == {one.name for one in Wrong}
