"""Following and blocking: what each writes, when each refuses, and whose version moves."""

from importlib import import_module
from typing import Any

import pytest
from django.db import connection

from backend.social.models import Relationship
from schema.nodes import to_id
from tests.api import ApiClient
from tests.schema.footprint import nothing_written

FORGET = import_module("backend.social.migrations.0007_no_strangers").FORGET

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


def counts(whom: ApiClient) -> tuple[int, int]:
    """Followers and followed, as anybody sees them."""
    found = ApiClient().ask(COUNTS, h=whom.person.handle)["person"]
    return found["followerCount"], found["followingCount"]


def test_strangers_have_a_relationship_of_version_0(asha: ApiClient, bilal: ApiClient) -> None:
    """With the id that it keeps after the first contact, and no row."""
    assert asha.relationship(bilal) == side()
    followed = asha.follow(bilal)["relationship"]
    assert followed["id"] == to_id("Relationship", asha.person.pk, bilal.person.pk)
    found = asha.ask(
        "query ($id: ID!) { node(id: $id) { ... on Relationship { version person { handle } } } }", id=followed["id"]
    )
    assert found["node"] == {"version": "1", "person": {"handle": "bilal"}}


def test_an_upgrade_forgets_pairs_of_strangers_alone(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """A server from before left rows that said nothing."""
    asha.follow(bilal)
    asha.unfollow(bilal, "1")
    low, high = sorted([asha.person.pk, chitra.person.pk])
    Relationship.objects.create(low_id=low, high_id=high)
    with connection.cursor() as cursor:
        cursor.execute(FORGET)
    (kept,) = Relationship.objects.all()
    assert {kept.low_id, kept.high_id} == {asha.person.pk, bilal.person.pk}


def test_follow_and_unfollow(asha: ApiClient, bilal: ApiClient) -> None:
    """Both sides see it, both versions move by one each time, and the counts are exact."""
    assert asha.follow(bilal)["applied"] == "WRITTEN"
    assert asha.relationship(bilal) == side(following=True, version="1")
    assert bilal.relationship(asha) == side(followed_by=True, version="1")
    assert (counts(asha), counts(bilal)) == ((0, 1), (1, 0))
    listed = ApiClient().ask(LISTS, h="bilal")["person"]
    assert listed["followers"] == {"totalCount": 1, "edges": [{"node": {"handle": "asha"}}]}
    assert asha.unfollow(bilal, "1")["applied"] == "WRITTEN"
    assert asha.relationship(bilal) == side(version="2")
    assert bilal.relationship(asha) == side(version="2")
    assert counts(asha) == counts(bilal) == (0, 0)


def test_remove_follower(asha: ApiClient, bilal: ApiClient) -> None:
    """Ends their follow, not mine."""
    asha.follow(bilal)
    bilal.follow(asha, "1")
    assert bilal.remove_follower(asha, "2")["applied"] == "WRITTEN"
    assert bilal.relationship(asha) == side(following=True, version="3")
    assert asha.relationship(bilal) == side(followed_by=True, version="3")
    assert (counts(asha), counts(bilal)) == ((1, 0), (0, 1))


def test_block_and_unblock(asha: ApiClient, bilal: ApiClient) -> None:
    """A block moves the version of its maker alone."""
    assert asha.block(bilal)["applied"] == "WRITTEN"
    assert asha.relationship(bilal) == side(blocking=True, version="1")
    assert asha.unblock(bilal, "1")["applied"] == "WRITTEN"
    assert asha.relationship(bilal) == side(version="2")
    assert bilal.relationship(asha) == side()


def test_mutual_follows_do_not_collide(asha: ApiClient, bilal: ApiClient) -> None:
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
        (["follow", "unfollow"], "unfollow", "2"),
        (["follow", "unfollow"], "remove_follower", "2"),
        (["block", "unblock"], "unblock", "2"),
    ],
)
def test_what_is_so_already_is_left_alone(
    asha: ApiClient, bilal: ApiClient, first: list[str], again: str, version: str
) -> None:
    """NOOP: success, the same version, not a row touched."""
    for seen, action in enumerate(first):
        assert getattr(asha, action)(bilal, version=str(seen))["applied"] == "WRITTEN"
    with nothing_written():
        answer = getattr(asha, again)(bilal, version=version)
    assert (answer["applied"], answer["relationship"]["version"]) == ("NOOP", version)


@pytest.mark.parametrize(
    ("first", "action"),
    [
        (["follow", "unfollow"], "follow"),
        (["follow"], "unfollow"),
        (["follow"], "block"),
        (["block"], "unblock"),
    ],
)
def test_a_step_is_of_one_pair(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, first: list[str], action: str
) -> None:
    """Two pairs that are alike, and what is done to one leaves the other as it was, for all three."""
    for one, other in ((asha, bilal), (asha, chitra), (chitra, bilal)):
        for seen, earlier in enumerate(first):
            assert getattr(one, earlier)(other, version=str(seen))["applied"] == "WRITTEN"
    before = asha.relationship(chitra), chitra.relationship(bilal)
    assert getattr(asha, action)(bilal, version=str(len(first)))["applied"] == "WRITTEN"
    assert (asha.relationship(chitra), chitra.relationship(bilal)) == before


def test_a_removed_follower_is_one(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """Another one stays."""
    for one in (asha, bilal):
        one.follow(chitra)
    chitra.remove_follower(asha, "1")
    assert bilal.relationship(chitra) == side(following=True, version="1")
    assert counts(chitra) == (1, 0)


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
    asha: ApiClient, bilal: ApiClient, setup: list[str], action: str, field: str, mine: bool
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


def test_a_version_from_the_future_is_a_conflict(asha: ApiClient, bilal: ApiClient) -> None:
    """Nobody can have seen it."""
    with nothing_written():
        assert asha.follow(bilal, "7")["__typename"] == "ConflictError"
        assert asha.unfollow(bilal, "7")["__typename"] == "ConflictError"


def test_the_follower_who_was_removed_hears_of_it(asha: ApiClient, bilal: ApiClient) -> None:
    """Their unfollow on the old version meets the change; what they want is so, but they had not seen it."""
    asha.follow(bilal)
    bilal.remove_follower(asha, "1")
    answer = asha.unfollow(bilal, "1")
    assert (answer["__typename"], answer["current"]["following"]) == ("ConflictError", False)


def test_a_block_stands_whatever_the_version(asha: ApiClient, bilal: ApiClient) -> None:
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
