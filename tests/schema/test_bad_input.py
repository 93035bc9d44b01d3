"""Ids, expectations and keys that make no sense: each mutation answers with a type and touches no row."""

from typing import Any

import pytest

from schema.execution import GRAPHQL
from schema.nodes import to_id
from tests.api import Caller
from tests.schema.footprint import nothing_written
from tests.schema.mutations import (
    BY_ID,
    CONDITIONED,
    KEY,
    MEGABYTE,
    MUTATIONS,
    NUL,
    RELATIONSHIPS,
    SURROGATE,
    UNKNOWN,
    World,
    check_invalid,
    check_request_error,
    good,
    send,
)

OTHER_TYPE = {"person": "Story", "story": "Person", "id": "Chapter"}


def test_the_table_holds_every_mutation(world: World) -> None:
    """A mutation that is added is asked for its bad input as well."""
    assert set(GRAPHQL.mutation_type.fields) - {"signOut"} == set(MUTATIONS)
    for name in MUTATIONS:
        assert "errors" not in send(world, name), name


# --- Ids --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BY_ID)
def test_an_id_that_is_none_is_invalid(world: World, name: str) -> None:
    """Malformed, of another type, or not even text that could be stored."""
    argument = BY_ID[name]
    kind = "Person" if argument == "person" else "Story"
    bad: list[Any] = [
        *("", " ", "x", "1", "-1", "%00", "é", "Person:1", "UGVyc29uOjE=", str(UNKNOWN), 9**40, -5),
        *(NUL, SURROGATE, MEGABYTE),
        to_id(OTHER_TYPE[argument], UNKNOWN),
        to_id("Nonsense", UNKNOWN),
        to_id(kind),
        to_id(kind, UNKNOWN, UNKNOWN),
        to_id(kind.lower(), UNKNOWN),
        to_id(kind, UNKNOWN)[:-1],
        to_id(kind, UNKNOWN) + "\n",
    ]
    check_invalid(world, name, argument, *({argument: one} for one in bad))


@pytest.mark.parametrize("name", BY_ID)
def test_what_is_no_id_at_all_is_a_request_error(world: World, name: str) -> None:
    """The scalar ID takes text and whole numbers."""
    bad: list[Any] = [None, True, 1.5, [], {}, ["a", "b"]]
    check_request_error(world, name, *({BY_ID[name]: one} for one in bad))


@pytest.mark.parametrize("name", BY_ID)
def test_an_id_of_nobody_and_nothing_is_not_found(world: World, name: str) -> None:
    """It could be of somebody or something hidden: the words would be the same."""
    kind = "Person" if name in RELATIONSHIPS else "Story"
    with nothing_written():
        answer = send(world, name, **{BY_ID[name]: to_id(kind, UNKNOWN)})["data"][name]
    assert (answer["__typename"], answer["code"]) == ("NotFoundError", "NOT_FOUND")
    assert answer["message"] == f"There is no such {kind.lower()}."
    assert answer["retry"] == {"kind": "NEVER", "afterMs": 0}


@pytest.mark.parametrize("name", RELATIONSHIPS)
def test_nobody_relates_to_themselves(world: World, name: str) -> None:
    """One's own id is invalid."""
    check_invalid(world, name, "person", {"person": world.me.id})


def test_a_place_is_in_a_chapter_of_the_story(world: World) -> None:
    """A chapter of another story is none, and an offset counts characters from 0."""
    bad = ["", "x", world.draft["chapters"][0]["id"], world.story["id"], to_id("Chapter", UNKNOWN), NUL]
    check_invalid(world, "recordView", "place.chapter", *({"place": {"chapter": one}} for one in bad))
    chapter = world.story["chapters"][0]["id"]
    places = [{"chapter": chapter, "offset": offset} for offset in (-1, -(2**31))]
    check_invalid(world, "recordView", "place.offset", *({"place": place} for place in places))


# --- Expectations and keys --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONDITIONED)
def test_a_version_that_nothing_ever_has_is_invalid(world: World, name: str) -> None:
    """Versions are opaque, and these were never handed out."""
    bad = ["", " ", "x", "1x", "-1", "1.0", "0x1", "١", "1" * 19, "9" * 400, NUL, SURROGATE, MEGABYTE]
    check_invalid(world, name, "expect.version", *({"expect": {"version": one}} for one in bad))


@pytest.mark.parametrize("name", CONDITIONED)
def test_an_expectation_has_exactly_one_member(world: World, name: str) -> None:
    """Neither none nor both, nor null, nor anything else."""
    bad: list[Any] = [
        *(None, {}, "0", 0, [], {"other": "0"}),
        *(
            {"version": None},
            {"version": 1.5},
            {"version": True},
            {"version": -1},
            {"version": 10**400},
            {"version": []},
        ),
        *({"current": None}, {"current": "yes"}),
        *({"version": "0", "current": True}, {"version": "0", "current": None}),
    ]
    check_request_error(world, name, *({"expect": one} for one in bad))


@pytest.mark.parametrize("name", CONDITIONED)
def test_to_write_whatever_is_there_has_to_be_allowed(world: World, name: str) -> None:
    """`current: true` is for a block alone; false says nothing anywhere."""
    check_invalid(world, name, "expect.current", {"expect": {"current": False}})
    if name == "block":
        answer = send(world, name, expect={"current": True})["data"]["block"]
        assert answer["__typename"] == "RelationshipSuccess"
    else:
        check_invalid(world, name, "expect.current", {"expect": {"current": True}})


@pytest.mark.parametrize("name", CONDITIONED)
def test_a_key_is_a_uuid(world: World, name: str) -> None:
    """Anything else is refused before it could be remembered."""
    bad: list[Any] = ["", "x", 5, True, [], {}, KEY[:-1], KEY + "0", NUL, SURROGATE]
    check_request_error(world, name, *({"key": one} for one in bad))


# --- Nobody -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONDITIONED)
def test_nobody_writes(world: World, nobody: Caller, name: str) -> None:
    """Signed out, or with a token that is no good: UNAUTHENTICATED, whatever else is wrong with the request."""
    fine = good(world, name)
    broken = {argument: "nonsense" for argument in ("person", "id", "story") if argument in fine}
    with nothing_written():
        for stranger in (nobody, Caller("nonsense")):
            for arguments in (fine, {**fine, **broken, "expect": {"version": "nonsense"}}):
                answer = stranger.post(MUTATIONS[name], **arguments)["data"][name]
                assert (answer["__typename"], answer["code"]) == ("ForbiddenError", "UNAUTHENTICATED")
                assert answer["retry"] == {"kind": "NEVER", "afterMs": 0}
