"""Following and blocking: what each writes, when each refuses, and whose version moves."""

import uuid
from typing import Any

import pytest

from schema.nodes import MOST_IDS, to_id
from tests.api import Caller
from tests.schema.footprint import nothing_written

COUNTS = "query ($h: String!) { person(handle: $h) { followerCount followingCount } }"
LISTS = (
    "query ($h: String!) { person(handle: $h) { followers { totalCount edges { node { handle } } } "
    "following { totalCount edges { node { handle } } } } }"
)


def side(
    following: bool = False, followed_by: bool = False, blocking: bool = False, version: str = "0"
) -> dict[str, Any]:
    """A side of a pair."""
    return {"version": version, "following": following, "followedBy": followed_by, "blocking": blocking}


def counts(whom: Caller) -> tuple[int, int]:
    """Followers and followed, as anybody sees them."""
    found = Caller().ask(COUNTS, h=whom.person.handle)["person"]
    return found["followerCount"], found["followingCount"]


def new_key() -> str:
    """A key."""
    return str(uuid.uuid4())


def test_strangers_have_a_relationship_of_version_0(asha: Caller, bilal: Caller) -> None:
    """With the id that it keeps after the first contact, and no row."""
    assert asha.relationship(bilal) == side()
    followed = asha.follow(bilal)["relationship"]
    assert followed["id"] == to_id("Relationship", asha.person.pk, bilal.person.pk)
    found = asha.ask(
        "query ($id: ID!) { node(id: $id) { ... on Relationship { version person { handle } } } }", id=followed["id"]
    )
    assert found["node"] == {"version": "1", "person": {"handle": "bilal"}}


def test_follow_and_unfollow(asha: Caller, bilal: Caller) -> None:
    """Both sides see it, both versions move by one each time, and the counts are exact."""
    assert asha.follow(bilal)["applied"] == "WRITTEN"
    assert asha.relationship(bilal) == side(following=True, version="1")
    assert bilal.relationship(asha) == side(followed_by=True, version="1")
    assert (counts(asha), counts(bilal)) == ((0, 1), (1, 0))
    listed = Caller().ask(LISTS, h="bilal")["person"]
    assert listed["followers"] == {"totalCount": 1, "edges": [{"node": {"handle": "asha"}}]}
    assert asha.unfollow(bilal, "1")["applied"] == "WRITTEN"
    assert asha.relationship(bilal) == side(version="2")
    assert bilal.relationship(asha) == side(version="2")
    assert counts(asha) == counts(bilal) == (0, 0)


def test_remove_follower(asha: Caller, bilal: Caller) -> None:
    """Ends their follow, not mine."""
    asha.follow(bilal)
    bilal.follow(asha, "1")
    assert bilal.remove_follower(asha, "2")["applied"] == "WRITTEN"
    assert bilal.relationship(asha) == side(following=True, version="3")
    assert asha.relationship(bilal) == side(followed_by=True, version="3")
    assert (counts(asha), counts(bilal)) == ((1, 0), (0, 1))


def test_block_and_unblock(asha: Caller, bilal: Caller) -> None:
    """A block moves the version of its maker alone."""
    assert asha.block(bilal)["applied"] == "WRITTEN"
    assert asha.relationship(bilal) == side(blocking=True, version="1")
    assert asha.unblock(bilal, "1")["applied"] == "WRITTEN"
    assert asha.relationship(bilal) == side(version="2")
    assert bilal.relationship(asha) == side()


def test_mutual_follows_do_not_collide(asha: Caller, bilal: Caller) -> None:
    """Each follows on what they saw before the other did."""
    assert asha.follow(bilal, "0")["applied"] == "WRITTEN"
    assert bilal.follow(asha, "0")["applied"] == "WRITTEN"
    assert counts(asha) == counts(bilal) == (1, 1)
    assert asha.unfollow(bilal, "1")["applied"] == "WRITTEN"


@pytest.mark.parametrize(
    ("first", "again", "version"),
    [
        (["follow"], "follow", "1"),
        ([], "unfollow", "0"),
        ([], "remove_follower", "0"),
        (["block"], "block", "1"),
        ([], "unblock", "0"),
    ],
)
def test_what_is_so_already_is_left_alone(
    asha: Caller, bilal: Caller, first: list[str], again: str, version: str
) -> None:
    """NOOP: success, the same version, not a row touched."""
    for action in first:
        getattr(asha, action)(bilal, version="0")
    with nothing_written():
        answer = getattr(asha, again)(bilal, version=version)
    assert (answer["applied"], answer["relationship"]["version"]) == ("NOOP", version)


@pytest.mark.parametrize(
    ("setup", "action", "field", "mine"),
    [
        (["follow"], "follow", "following", True),
        (["follow", "unfollow"], "follow", "following", True),
        (["follow"], "unfollow", "following", False),
        (["follow", "unfollow"], "unfollow", "following", False),
        (["block"], "unblock", "blocking", False),
        (["follow"], "block", "blocking", True),
        (["block"], "block", "blocking", True),
    ],
)
def test_a_stale_version_is_a_conflict(
    asha: Caller, bilal: Caller, setup: list[str], action: str, field: str, mine: bool
) -> None:
    """With the side as it is now, what collided, and the advice to look first; nothing written."""
    for version, earlier in enumerate(setup):
        assert getattr(asha, earlier)(bilal, version=str(version))["applied"] == "WRITTEN"
    with nothing_written():
        answer = getattr(asha, action)(bilal, version="0")
    assert (answer["__typename"], answer["code"], answer["expected"]) == ("ConflictError", "CONFLICT", "0")
    assert answer["retry"]["kind"] == "REBASE"
    assert answer["retry"]["afterMs"] > 0
    now = asha.relationship(bilal)
    assert {name: answer["current"][name] for name in now} == now
    assert answer["overlaps"] == [{"path": field, "base": False, "mine": mine, "theirs": now[field]}]
    again = getattr(asha, action)(bilal, version=answer["current"]["version"])
    assert again["applied"] in ("WRITTEN", "NOOP")


def test_a_version_from_the_future_is_a_conflict(asha: Caller, bilal: Caller) -> None:
    """Nobody can have seen it."""
    with nothing_written():
        assert asha.follow(bilal, "7")["__typename"] == "ConflictError"
        assert asha.unfollow(bilal, "7")["__typename"] == "ConflictError"


def test_the_follower_who_was_removed_hears_of_it(asha: Caller, bilal: Caller) -> None:
    """Their unfollow on the old version meets the change; what they want is so, but they had not seen it."""
    asha.follow(bilal)
    bilal.remove_follower(asha, "1")
    answer = asha.unfollow(bilal, "1")
    assert (answer["__typename"], answer["current"]["following"]) == ("ConflictError", False)


def test_a_block_stands_whatever_the_version(asha: Caller, bilal: Caller) -> None:
    """`current: true` is its default; a version that is named is checked as always."""
    asha.follow(bilal)
    bilal.follow(asha, "1")
    query = (
        "mutation ($p: ID!) { block(person: $p) { ... on RelationshipSuccess { applied relationship { version } } } }"
    )
    answer = asha.ask(query, p=bilal.id)["block"]
    assert answer == {"applied": "WRITTEN", "relationship": {"version": "3"}}
    assert (counts(asha), counts(bilal)) == ((0, 0), (0, 0))


# --- Keys -------------------------------------------------------------------------------------------------------


def test_a_key_gives_the_first_reply_again(asha: Caller, bilal: Caller) -> None:
    """Also when the version has moved since, and whatever has happened in between."""
    key = new_key()
    first = asha.follow(bilal, "0", key=key)
    asha.unfollow(bilal, "1")
    with nothing_written():
        again = asha.follow(bilal, "0", key=key)
        other_version = asha.follow(bilal, "5", key=key)
    assert again == {**first, "applied": "REPLAYED"}
    assert other_version == again
    assert asha.relationship(bilal) == side(version="2")


def test_a_key_belongs_to_one_request(asha: Caller, bilal: Caller, chitra: Caller) -> None:
    """Another person or another mutation under it is refused."""
    key = new_key()
    asha.follow(bilal, "0", key=key)
    with nothing_written():
        for answer in (
            asha.follow(chitra, "0", key=key),
            asha.unfollow(bilal, "1", key=key),
            asha.block(bilal, key=key),
        ):
            assert (answer["__typename"], answer["code"]) == ("KeyReusedError", "KEY_REUSED")
            assert answer["retry"] == {"kind": "NEVER", "afterMs": 0}


def test_a_key_is_ones_own(asha: Caller, bilal: Caller, chitra: Caller) -> None:
    """Two people may happen to use the same."""
    key = new_key()
    assert asha.follow(chitra, "0", key=key)["applied"] == "WRITTEN"
    assert bilal.follow(chitra, "0", key=key)["applied"] == "WRITTEN"


def test_a_refusal_is_not_remembered(asha: Caller, bilal: Caller) -> None:
    """After a conflict the same key goes with the new version."""
    asha.follow(bilal)
    asha.unfollow(bilal, "1")
    key = new_key()
    with nothing_written():
        assert asha.follow(bilal, "0", key=key)["__typename"] == "ConflictError"
    assert asha.follow(bilal, "2", key=key)["applied"] == "WRITTEN"


def test_a_noop_is_remembered_as_one(asha: Caller, bilal: Caller) -> None:
    """The first reply said that nothing was done; the second says that it was said."""
    key = new_key()
    assert asha.unfollow(bilal, "0", key=key)["applied"] == "NOOP"
    assert asha.unfollow(bilal, "0", key=key)["applied"] == "REPLAYED"


# --- Reading relationships --------------------------------------------------------------------------------------

RELATIONSHIPS = "query ($p: [ID!]!) { relationships(people: $p) { person { handle } following } }"


def test_relationships_come_in_the_order_asked_for(asha: Caller, bilal: Caller, chitra: Caller) -> None:
    """Null for oneself, for nobody and for what is no person; the same person twice is answered twice."""
    asha.follow(chitra)
    ids = [
        chitra.id,
        asha.id,
        bilal.id,
        "nonsense",
        to_id("Person", uuid.uuid4()),
        to_id("Story", chitra.person.pk),
        chitra.id,
    ]
    found = asha.ask(RELATIONSHIPS, p=ids)["relationships"]
    chitras = {"person": {"handle": "chitra"}, "following": True}
    assert found == [chitras, None, {"person": {"handle": "bilal"}, "following": False}, None, None, None, chitras]
    assert asha.ask(RELATIONSHIPS, p=[])["relationships"] == []


def test_relationships_are_of_the_signed_in(asha: Caller, nobody: Caller) -> None:
    """Nobody has none."""
    answer = nobody.post(RELATIONSHIPS, p=[asha.id])
    assert answer["data"] is None
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_at_most_so_many_relationships_at_once(asha: Caller, bilal: Caller) -> None:
    """More are refused, not cut off."""
    assert len(asha.ask(RELATIONSHIPS, p=[bilal.id] * MOST_IDS)["relationships"]) == MOST_IDS
    assert asha.post(RELATIONSHIPS, p=[bilal.id] * (MOST_IDS + 1))["errors"][0]["extensions"]["code"] == "INVALID"


def test_somebody_elses_side_is_not_found(asha: Caller, bilal: Caller, chitra: Caller) -> None:
    """A relationship is its viewer's."""
    asha.follow(bilal)
    node = "query ($id: ID!) { node(id: $id) { id } }"
    mine = to_id("Relationship", asha.person.pk, bilal.person.pk)
    assert asha.ask(node, id=mine)["node"] == {"id": mine}
    for other in (bilal, chitra, Caller()):
        assert other.ask(node, id=mine)["node"] is None


def test_a_persons_relationship_is_the_viewers(asha: Caller, bilal: Caller) -> None:
    """Null when signed out and for oneself."""
    asha.follow(bilal)
    query = '{ person(handle: "bilal") { relationship { following version } } }'
    assert asha.ask(query)["person"]["relationship"] == {"following": True, "version": "1"}
    assert bilal.ask(query)["person"]["relationship"] is None
    assert Caller().ask(query)["person"]["relationship"] is None
