"""Ids, expectations and keys that make no sense: each mutation answers with a type and touches no row."""

from typing import Any

import pytest

from schema.nodes import to_id
from tests.api import ApiClient, join
from tests.schema.footprint import nothing_written
from tests.schema.mutation_fixture import (
    BY_ID,
    CONDITIONED,
    KEY,
    KEYED,
    MEGABYTE,
    MUTATIONS,
    NUL,
    RELATIONSHIPS,
    SURROGATE,
    UNKNOWN,
    MutationFixture,
    check_invalid,
    check_request_error,
    good,
    send,
)
from tests.worlds import MadeOnce

OTHER_TYPE = {
    "Person": "Story",
    "Story": "Person",
    "Chapter": "Story",
    "Revision": "Chapter",
    "Whisper": "Report",
    "Report": "Whisper",
    "Decision": "Report",
    "Invitation": "Story",
    "Edition": "Order",
    "Order": "Edition",
    "Notification": "Story",
    "AccessToken": "Person",
}


@pytest.fixture(scope="module")
def world(made_once: MadeOnce) -> MutationFixture:
    """The same for all: nothing that is sent here is written."""
    return made_once(lambda: MutationFixture.of(join("asha"), join("bilal")))


@pytest.fixture(scope="module")
def profile_key(made_once: MadeOnce, world: MutationFixture) -> str:
    """The key with which somebody wrote to their profile."""
    key = "0f0f0f0f-0f0f-7f0f-8f0f-0f0f0f0f0f0f"
    answer = made_once(lambda: send(world, "updateProfile", key=key))
    assert answer["data"]["updateProfile"]["__typename"] == "ProfileSuccess"
    return key


def test_a_subject_can_be_reported(world: MutationFixture) -> None:
    """It is the id of something that exists, is of the right kind, and is not one's own."""
    bad = ["", " ", "x", NUL, SURROGATE, MEGABYTE, to_id("Shelf", UNKNOWN), to_id("story", UNKNOWN), to_id("Story")]
    check_invalid(world, "report", "subject", *({"subject": one} for one in [*bad, world.me.id, world.draft["id"]]))
    for kind in ("Whisper", "Story", "Chapter", "Person"):
        with nothing_written():
            answer = send(world, "report", subject=to_id(kind, UNKNOWN))["data"]["report"]
        assert (answer["code"], answer["message"]) == ("NOT_FOUND", f"There is no such {kind.lower()}.")


def test_an_outcome_is_a_known_one(world: MutationFixture) -> None:
    """And has to be named."""
    bad: list[Any] = [None, "", "FORGIVEN", "dismissed", 1, True, []]
    check_request_error(world, "resolveReport", *({"outcome": one} for one in bad))


def test_an_order_names_chapters(world: MutationFixture) -> None:
    """Each chapter of the story once: none left out, none twice, none of another story."""
    one, two = (chapter["id"] for chapter in world.draft["chapters"])
    strange = world.story["chapters"][0]["id"]
    bad = [
        [],
        [one],
        [one, one],
        [one, two, two],
        [one, two, strange],
        [one, strange],
        [one, to_id("Chapter", UNKNOWN)],
    ]
    check_invalid(world, "reorderChapters", "order", *({"order": order} for order in bad))
    check_invalid(world, "reorderChapters", "order.1", {"order": [one, world.draft["id"]]}, {"order": [one, ""]})
    check_invalid(world, "reorderChapters", "order", {"order": [one] * 1001})


@pytest.mark.parametrize("name", ["updateStory", "updateChapter"])
def test_a_patch_names_a_field_and_no_null(world: MutationFixture, name: str) -> None:
    """Left out is left alone; null would say nothing."""
    check_invalid(world, name, "patch", {"patch": {}})
    texts = {"updateStory": ("title", "summary", "mature", "warnings"), "updateChapter": ("title", "body")}[name]
    for field in texts:
        check_invalid(world, name, f"patch.{field}", {"patch": {field: None}})


def test_warnings_are_known(world: MutationFixture) -> None:
    """Others cannot be made up."""
    bad: list[Any] = [["SAD"], [None], ["violence"], 5, "x", {}, [[]]]
    check_request_error(world, "updateStory", *({"patch": {"warnings": one}} for one in bad))


@pytest.mark.parametrize("name", [name for name in CONDITIONED if name != "updateProfile"])
def test_a_key_of_something_else_expects_nothing(world: MutationFixture, profile_key: str, name: str) -> None:
    """`after` names a mutation that wrote the same thing."""
    mine = profile_key
    check_invalid(world, name, "expect.after", {"expect": {"after": mine}}, {"expect": {"after": KEY}, "key": KEY})


@pytest.mark.parametrize("name", CONDITIONED)
def test_a_key_that_nobody_has_used_may_still_come(world: MutationFixture, name: str) -> None:
    """The mutation before may be on its way: the same request again, and nothing is left of the question."""
    with nothing_written():
        answer = send(world, name, expect={"after": KEY})["data"][name]
    assert (answer["__typename"], answer["code"], answer["retry"]["kind"]) == ("BusyError", "BUSY", "SAME_REQUEST")


# --- Ids --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BY_ID)
def test_an_id_that_is_none_is_invalid(world: MutationFixture, name: str) -> None:
    """Malformed, of another type, or not even text that could be stored."""
    argument, kind = BY_ID[name]
    bad: list[Any] = [
        *("", " ", "x", "1", "-1", "%00", "é", "Person:1", "UGVyc29uOjE=", str(UNKNOWN), 9**40, -5),
        *(NUL, SURROGATE, MEGABYTE),
        to_id(OTHER_TYPE[kind], UNKNOWN),
        to_id("Nonsense", UNKNOWN),
        to_id(kind),
        to_id(kind, UNKNOWN, UNKNOWN),
        to_id(kind.lower(), UNKNOWN),
        to_id(kind, UNKNOWN)[:-1],
        to_id(kind, UNKNOWN) + "\n",
    ]
    check_invalid(world, name, argument, *({argument: one} for one in bad))


@pytest.mark.parametrize("name", BY_ID)
def test_what_is_no_id_at_all_is_a_request_error(world: MutationFixture, name: str) -> None:
    """The scalar ID takes text and whole numbers."""
    bad: list[Any] = [None, True, 1.5, [], {}, ["a", "b"]]
    check_request_error(world, name, *({BY_ID[name][0]: one} for one in bad))


@pytest.mark.parametrize("name", BY_ID)
def test_an_id_of_nobody_and_nothing_is_not_found(world: MutationFixture, name: str) -> None:
    """It could be of somebody or something hidden: the words would be the same."""
    argument, kind = BY_ID[name]
    with nothing_written():
        answer = send(world, name, **{argument: to_id(kind, UNKNOWN)})["data"][name]
    assert (answer["__typename"], answer["code"]) == ("NotFoundError", "NOT_FOUND")
    assert answer["message"] == f"There is no such {kind.removeprefix('Access').lower()}."
    assert answer["retry"] == {"kind": "NEVER", "afterMs": 0}


@pytest.mark.parametrize("name", RELATIONSHIPS)
def test_nobody_relates_to_themselves(world: MutationFixture, name: str) -> None:
    """One's own id is invalid."""
    check_invalid(world, name, "person", {"person": world.me.id})


def test_a_place_is_in_a_chapter_of_the_story(world: MutationFixture) -> None:
    """A chapter of another story is none, and an offset counts characters from 0."""
    bad = ["", "x", world.draft["chapters"][0]["id"], world.story["id"], to_id("Chapter", UNKNOWN), NUL]
    check_invalid(world, "recordView", "place.chapter", *({"place": {"chapter": one}} for one in bad))
    chapter = world.story["chapters"][0]["id"]
    places = [{"chapter": chapter, "offset": offset} for offset in (-1, -(2**31))]
    check_invalid(world, "recordView", "place.offset", *({"place": place} for place in places))


def test_what_was_seen_is_a_version_that_the_story_has_had(world: MutationFixture) -> None:
    """None of the future, and none that no story ever has; under any policy."""
    bad = ["", " ", "x", "-1", "1.0", "0", "3", "9" * 18, "1" * 19, NUL, SURROGATE, MEGABYTE]
    for policy in ("EXACT", "FURTHEST"):
        check_invalid(world, "recordView", "seen", *({"seen": one, "policy": policy} for one in bad))


def test_a_policy_is_a_known_one(world: MutationFixture) -> None:
    """Or left out, which is EXACT."""
    bad: list[Any] = [None, "", "NEAREST", "furthest", 1, True, []]
    check_request_error(world, "recordView", *({"policy": one} for one in bad))


def test_the_furthest_place_takes_no_nonsense_for_a_version(world: MutationFixture) -> None:
    """A version has to look like one, and `current` has to be true."""
    furthest = {"policy": "FURTHEST"}
    check_invalid(world, "recordView", "expect.version", {"expect": {"version": "x"}, **furthest})
    check_invalid(world, "recordView", "expect.current", {"expect": {"current": False}, **furthest})


def test_a_line_names_an_edition(world: MutationFixture) -> None:
    """An id of one, which is there, and a quantity that can be ordered."""
    bad: list[Any] = ["", "x", "1", 9**40, world.me.id, world.order, to_id("Edition"), NUL, SURROGATE]
    fine = {"edition": world.edition, "quantity": 1}
    lines = [[fine, {"edition": one, "quantity": 1}] for one in bad[:-2]]
    check_invalid(world, "placeOrder", "lines.1.edition", *({"lines": one} for one in lines))
    for one in bad[-2:]:
        check_invalid(world, "placeOrder", "lines.0.edition", {"lines": [{"edition": one, "quantity": 1}]})
    for quantity in (0, -1, 1001, -(2**31), 2**31 - 1):
        check_invalid(world, "placeOrder", "lines.0.quantity", {"lines": [{**fine, "quantity": quantity}]})
    for number in (0, 51, 2_000):
        check_invalid(world, "placeOrder", "lines", {"lines": [fine] * number})
    wrong: list[Any] = [None, 5, [None], [{}], [{"edition": world.edition}], [{**fine, "quantity": 2**31}]]
    check_request_error(world, "placeOrder", *({"lines": one} for one in wrong))
    with nothing_written():
        unknown = [fine, {"edition": to_id("Edition", UNKNOWN), "quantity": 1}]
        answer = send(world, "placeOrder", lines=unknown)["data"]["placeOrder"]
    assert (answer["code"], answer["message"]) == ("NOT_FOUND", "There is no such edition.")


@pytest.mark.parametrize(
    ("name", "argument", "bad"),
    [
        ("createEdition", "priceCents", (-1, 10**9 + 1, -(2**31), 2**31 - 1)),
        ("createEdition", "stock", (-1, -(2**31))),
        ("adjustStock", "delta", (-(2**31), 2**31 - 1)),
        ("setStock", "to", (-1, -(2**31), 2**31 - 1)),
    ],
)
def test_numbers_of_the_market_have_limits(
    world: MutationFixture, name: str, argument: str, bad: tuple[int, ...]
) -> None:
    """Beyond them is invalid, and what GraphQL's Int cannot hold no request at all."""
    check_invalid(world, name, argument, *({argument: one} for one in bad))
    check_request_error(world, name, *({argument: one} for one in (None, "5", 1.5, True, 2**31, -(2**31) - 1)))


def test_a_status_is_a_known_one(world: MutationFixture) -> None:
    """And one that the order can come to from where it is."""
    check_request_error(world, "updateOrder", *({"to": one} for one in (None, "", "LOST", "placed", 1, True, [])))
    check_invalid(world, "updateOrder", "to", {"to": "SHIPPED"})


# --- Expectations and keys --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONDITIONED)
def test_a_version_that_nothing_ever_has_is_invalid(world: MutationFixture, name: str) -> None:
    """Versions are opaque, and these were never handed out."""
    bad = ["", " ", "x", "1x", "-1", "1.0", "0x1", "١", "1" * 19, "9" * 400, NUL, SURROGATE, MEGABYTE]
    check_invalid(world, name, "expect.version", *({"expect": {"version": one}} for one in bad))


@pytest.mark.parametrize("name", CONDITIONED)
def test_an_expectation_has_exactly_one_member(world: MutationFixture, name: str) -> None:
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
        *({"version": "0", "after": KEY}, {"after": None}, {"after": "x"}, {"after": 5}),
    ]
    check_request_error(world, name, *({"expect": one} for one in bad))


@pytest.mark.parametrize("name", CONDITIONED)
def test_to_write_whatever_is_there_has_to_be_allowed(world: MutationFixture, name: str) -> None:
    """`current: true` is for a block alone; false says nothing anywhere."""
    check_invalid(world, name, "expect.current", {"expect": {"current": False}})
    if name != "block":
        check_invalid(world, name, "expect.current", {"expect": {"current": True}})


@pytest.mark.parametrize("name", KEYED)
def test_a_key_is_a_uuid(world: MutationFixture, name: str) -> None:
    """Anything else is refused before it could be remembered."""
    bad: list[Any] = ["", "x", 5, True, [], {}, KEY[:-1], KEY + "0", NUL, SURROGATE]
    check_request_error(world, name, *({"key": one} for one in bad))


# --- Nobody -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KEYED)
def test_nobody_writes(world: MutationFixture, name: str) -> None:
    """Signed out, or with a token that is no good: UNAUTHENTICATED, whatever else is wrong with the request."""
    fine = good(world, name)
    broken = {argument: "nonsense" for argument in ("person", "id", "story", "subject", "edition") if argument in fine}
    with nothing_written():
        for stranger in (ApiClient(), ApiClient("nonsense")):
            for arguments in (fine, {**fine, **broken, "expect": {"version": "nonsense"}}):
                answer = stranger.post(MUTATIONS[name], **arguments)["data"][name]
                assert (answer["__typename"], answer["code"]) == ("ForbiddenError", "UNAUTHENTICATED")
                assert answer["retry"] == {"kind": "NEVER", "afterMs": 0}
