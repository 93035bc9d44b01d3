"""What is hidden answers as what there never was, byte for byte, wherever its id or something else of it is named."""

from itertools import pairwise
from typing import Any

import pytest

from schema.nodes import from_id, to_id
from tests.api import ApiClient
from tests.api.notifications import told_of
from tests.schema.access_fixture import MISSING, THINGS, AccessFixture, raw
from tests.schema.footprint import nothing_written
from tests.schema.mutation_fixture import MUTATIONS

NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"
KEY = "01890000-0000-7000-8000-000000000005"


@pytest.fixture
def scene(transactional_db: None) -> AccessFixture:
    """The author, their things and everybody."""
    return AccessFixture()


def same_as_missing(caller: ApiClient, mutation: str, hidden: dict[str, Any], missing: dict[str, Any]) -> bytes:
    """The answer to both requests, which is the same and writes nothing."""
    with nothing_written():
        answer = raw(caller, MUTATIONS[mutation], **hidden)
        assert answer == raw(caller, MUTATIONS[mutation], **missing)
    return answer


def test_ids_beside_the_thing_tell_nothing(scene: AccessFixture) -> None:
    """A chapter of a place, the chapters of an order, the editions of one."""
    caller, nothing = scene.callers["stranger"], to_id("Chapter", MISSING)
    draft = scene.ids["Chapter (draft)"](caller)
    view = {"story": scene.story, "expect": {"version": "1"}}
    answer = same_as_missing(
        caller,
        "recordView",
        {**view, "place": {"chapter": draft, "offset": 0}},
        {**view, "place": {"chapter": nothing, "offset": 0}},
    )
    assert b"INVALID" in answer
    mine = caller.create_story("0", chapters=1)["story"]
    order = {"story": mine["id"], "expect": {"version": "1"}}
    same_as_missing(caller, "reorderChapters", {**order, "order": [draft]}, {**order, "order": [nothing]})
    shown, withdrawn = (scene.ids[f"Edition ({state})"](caller) for state in ("published", "draft"))
    lines = [
        [{"edition": shown, "quantity": 1}, {"edition": other, "quantity": 1}]
        for other in (withdrawn, to_id("Edition", MISSING))
    ]
    answer = same_as_missing(caller, "placeOrder", {"lines": lines[0], "key": KEY}, {"lines": lines[1], "key": KEY})
    assert b"NOT_FOUND" in answer


def test_a_key_is_its_persons_alone(scene: AccessFixture) -> None:
    """Another person with the same key gets no reply of the first, and no `after` leads to it."""
    author, stranger = scene.author, scene.callers["stranger"]
    said = author.create_whisper("TEXT of another", key=KEY)
    assert stranger.create_whisper("Mine.", key=KEY)["applied"] == "WRITTEN"
    blocked, after = scene.callers["blocked"], {"expect": {"after": KEY}}
    for id_ in (said["whisper"]["id"], to_id("Whisper", MISSING)):
        answer = blocked.post(MUTATIONS["deleteWhisper"], id=id_, **after)["data"]["deleteWhisper"]
        assert answer["code"] == "BUSY"


def test_a_replay_shows_nothing_that_was_hidden_since(scene: AccessFixture) -> None:
    """The first reply again, of one's own side; of the person who blocks one now nothing but the id."""
    stranger, query = (
        scene.callers["stranger"],
        (
            "mutation ($p: ID!, $k: UUID) { follow(person: $p, expect: {version: 0}, key: $k) { ... on RelationshipSuccess { "
            "applied relationship { following person { id handle name bio followerCount followingCount storyCount version "
            "followers { totalCount edges { cursor } } stories { edges { cursor } } whispers { edges { cursor } } } } } } }"
        ),
    )
    before = stranger.ask(query, p=scene.author.id, k=KEY)["follow"]["relationship"]["person"]
    assert (before["handle"], before["bio"]) == ("the-author", "TEXT of Person")
    scene.author.block(stranger)
    again = stranger.ask(query, p=scene.author.id, k=KEY)["follow"]
    assert (again["applied"], again["relationship"]["following"]) == ("REPLAYED", True)
    assert again["relationship"]["person"] == {
        **{"id": scene.author.id, "handle": "", "name": "", "bio": "", "version": "0"},
        **{"followerCount": 0, "followingCount": 0, "storyCount": 0},
        "followers": {"totalCount": 0, "edges": []},
        **{"stories": {"edges": []}, "whispers": {"edges": []}},
    }


def test_blocking_back_shows_nothing_of_the_other(scene: AccessFixture) -> None:
    """It succeeds, so that two who block each other at once both do."""
    query = (
        "mutation ($p: ID!) { block(person: $p) { ... on RelationshipSuccess { "
        "relationship { blocking person { id handle name bio joinedAt } } } } }"
    )
    side = scene.callers["blocked"].ask(query, p=scene.author.id)["block"]["relationship"]
    assert (side["blocking"], side["person"]["id"]) == (True, scene.author.id)
    assert [side["person"][name] for name in ("handle", "name", "bio")] == ["", "", ""]


def test_a_notification_is_hidden_with_its_story(scene: AccessFixture) -> None:
    """It cannot be told from one whose story was deleted: by id, in the list, in the count, and when it is marked."""
    follower = scene.callers["follower"]
    id_, nothing = told_of(follower, scene.story), to_id("Notification", MISSING)
    assert follower.ask(NODE, id=id_)["node"]["id"] == id_
    assert scene.author.unpublish(scene.story, scene.version(scene.story))["applied"] == "WRITTEN"
    assert raw(follower, NODE, id=id_) == raw(follower, NODE, id=nothing)
    assert follower.notifications()["unreadCount"] == 0
    answer = same_as_missing(
        follower,
        "markNotificationRead",
        {"id": id_, "expect": {"version": "1"}},
        {"id": nothing, "expect": {"version": "1"}},
    )
    assert b"NOT_FOUND" in answer


def test_ids_cannot_be_counted(scene: AccessFixture) -> None:
    """Of two things made one after the other, the ids are of version 7 and differ in their random bits."""
    ids = [from_id(scene.ids[row.what](scene.author))[1][-1] for row in THINGS]  # type: ignore[index]
    more = [from_id(scene.author.create_whisper()["whisper"]["id"])[1][0] for _ in range(5)]  # type: ignore[index]
    chance = {id_.int & (1 << 62) - 1 for id_ in (*ids, *more)}
    assert {id_.version for id_ in (*ids, *more)} == {7}
    assert len(chance) == len(set(ids)) + len(more)
    steps = sorted(chance)
    assert min(after - before for before, after in pairwise(steps)) > 1 << 30


BAD: dict[str, Any] = {
    **dict.fromkeys(("text", "reason", "title", "id", "subject", "person", "story", "edition"), "a\0b"),
    **{"patch": {}, "order": ["a\0b"], "key": KEY, "expect": {"version": "a\0b"}, "outcome": "REMOVED", "lines": []},
    **{
        "views": [],
        "delta": 0,
        "to": 1,
        "priceCents": -1,
        "stock": -1,
        "current": "a\0b",
        "new": "",
        "password": "a\0b",
    },
    **{"input": {"title": "a\0b"}, "chapter": {"title": "a\0b", "body": ""}},
}


def test_nobody_hears_what_is_wrong(transactional_db: None) -> None:
    """The signed-out are told to sign in before anything of the request is looked at, also text that cannot be stored."""
    for mutation in sorted(set(MUTATIONS) - {"signUp", "signIn", "endSession"}):
        named = {name: value for name, value in BAD.items() if f"${name}:" in MUTATIONS[mutation]}
        if mutation == "updateOrder":
            named["to"] = "SHIPPED"
        if mutation == "resolveAppeal":
            named["outcome"] = "UPHELD"
        if mutation == "setCoauthorRight":
            named["right"] = "WRITE"
        for nobody in (ApiClient(), ApiClient("nonsense")):
            assert nobody.post(MUTATIONS[mutation], **named)["data"][mutation]["code"] == "UNAUTHENTICATED", mutation
