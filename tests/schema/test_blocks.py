"""Across a block nobody finds the other, their stories or their lists; nothing tells of a block that one did not make."""

from typing import Any

import pytest

from schema.nodes import to_id
from tests.api import ApiClient
from tests.schema.footprint import nothing_written
from tests.schema.mutation_fixture import UNKNOWN

PERSON = "query ($h: String!) { person(handle: $h) { handle } }"
NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"
LISTS = """
query ($h: String!) { person(handle: $h) {
  followerCount followingCount storyCount
  followers { totalCount edges { node { handle } } }
  following { totalCount edges { node { handle } } }
  stories { edges { node { title } } }
} }
"""
STORIES = "{ stories { edges { node { author { handle } } } } feed { edges { node { author { handle } } } } }"
STORY = "query ($id: ID!) { story(id: $id) { title } node(id: $id) { id } }"


class BlockFixture:
    """Asha and bilal have a story each and follow each other and chitra, who follows them; each has read the other's."""

    def __init__(self, asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
        self.asha, self.bilal, self.chitra = asha, bilal, chitra
        self.story = {me: me.published_story(title=me.person.handle, chapters=2) for me in (asha, bilal)}
        for me, them in ((asha, bilal), (bilal, asha)):
            assert me.follow(them, version="0" if me is asha else "1")["applied"] == "WRITTEN"
            assert me.follow(chitra)["applied"] == "WRITTEN"
            assert chitra.follow(me, version="1")["applied"] == "WRITTEN"
            chapter = self.story[them]["chapters"][0]["id"]
            assert me.record_view(self.story[them]["id"], chapter=chapter)["counted"] is True


@pytest.fixture
def scene(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> BlockFixture:
    """Before the block."""
    return BlockFixture(asha, bilal, chitra)


def reading_id(me: ApiClient, story: str) -> str:
    """The id of my place in a story."""
    found = me.ask("query ($id: ID!) { story(id: $id) { reading { id } } }", id=story)
    return str(found["story"]["reading"]["id"])


def handles(connection: Any) -> list[str]:
    """Who is in a list."""
    return [edge["node"]["handle"] for edge in connection["edges"]]


def authors(connection: Any) -> list[str]:
    """Whose stories are in a list."""
    return [edge["node"]["author"]["handle"] for edge in connection["edges"]]


def things(scene: BlockFixture, me: ApiClient, them: ApiClient) -> dict[str, str]:
    """The ids of everything of theirs, and between us, that I can have seen."""
    story = scene.story[them]
    return {
        "person": them.id,
        "relationship": to_id("Relationship", me.person.pk, them.person.pk),
        "story": story["id"],
        "chapter": story["chapters"][1]["id"],
        "reading": reading_id(me, story["id"]),
    }


def found(me: ApiClient, ids: dict[str, str]) -> set[str]:
    """Which of these things I find by their ids, alone and together."""
    together = me.ask(NODES, ids=list(ids.values()))["nodes"]
    alone = [me.ask("query ($id: ID!) { node(id: $id) { __typename id } }", id=one)["node"] for one in ids.values()]
    assert together == alone
    return {name for name, node in zip(ids, together, strict=True) if node}


def test_without_a_block_everything_is_found(scene: BlockFixture) -> None:
    """So that what follows means something."""
    ids = things(scene, scene.bilal, scene.asha)
    assert found(scene.bilal, ids) == set(ids)


def test_who_is_blocked_finds_nothing_of_the_other(scene: BlockFixture) -> None:
    """Not the person, not what stands between them, no story, no chapter, not even one's own place in it."""
    bilal, asha = scene.bilal, scene.asha
    ids = things(scene, bilal, asha)
    asha.block(bilal)
    assert found(bilal, ids) == set()
    assert bilal.ask(PERSON, h="asha") == {"person": None}
    assert bilal.ask(PERSON, h="ASHA") == {"person": None}
    assert bilal.relationship(asha) is None
    assert bilal.ask(STORY, id=ids["story"]) == {"story": None, "node": None}
    lists = bilal.ask(STORIES)
    assert (authors(lists["stories"]), authors(lists["feed"])) == (["bilal"], [])


def test_who_blocks_finds_the_person_alone(scene: BlockFixture) -> None:
    """To unblock them; their stories and lists are out of sight both ways."""
    bilal, asha = scene.bilal, scene.asha
    ids = things(scene, asha, bilal)
    asha.block(bilal)
    assert found(asha, ids) == {"person", "relationship"}
    side = asha.relationship(bilal)
    assert (side["following"], side["followedBy"], side["blocking"]) == (False, False, True)
    assert asha.ask(STORY, id=ids["story"]) == {"story": None, "node": None}
    page = asha.ask(LISTS, h="bilal")["person"]
    assert page["followers"] == page["following"] == {"totalCount": 0, "edges": []}
    assert page["stories"] == {"edges": []}
    lists = asha.ask(STORIES)
    assert (authors(lists["stories"]), authors(lists["feed"])) == (["asha"], [])


def test_third_peoples_lists_hide_each_from_the_other(scene: BlockFixture) -> None:
    """Their totals too say what the viewer may see."""
    asha, bilal = scene.asha, scene.bilal
    asha.block(bilal)
    for viewer, other in ((asha, bilal), (bilal, asha)):
        page = viewer.ask(LISTS, h="chitra")["person"]
        for one in ("followers", "following"):
            assert handles(page[one]) == [viewer.person.handle], other.person.handle
            assert page[one]["totalCount"] == 1
        assert page["followerCount"] == 2


def test_everybody_else_sees_no_difference(scene: BlockFixture) -> None:
    """But for the follows that the block ended."""
    asha, bilal, chitra = scene.asha, scene.bilal, scene.chitra
    asha.block(bilal)
    for viewer in (chitra, ApiClient()):
        for handle in ("asha", "bilal"):
            page = viewer.ask(LISTS, h=handle)["person"]
            assert (page["followerCount"], page["followingCount"], page["storyCount"]) == (1, 1, 1)
            assert handles(page["followers"]) == handles(page["following"]) == ["chitra"]
            assert page["stories"]["edges"] == [{"node": {"title": handle}}]
        assert handles(viewer.ask(LISTS, h="chitra")["person"]["followers"]) == ["bilal", "asha"]
        assert authors(viewer.ask("{ stories { edges { node { author { handle } } } } }")["stories"]) == [
            "bilal",
            "asha",
        ]


def test_a_block_ends_both_follows_and_their_counts(scene: BlockFixture) -> None:
    """And they do not come back with the unblocking."""
    asha, bilal = scene.asha, scene.bilal
    blocked = asha.block(bilal)["relationship"]
    assert asha.unblock(bilal, version=blocked["version"])["applied"] == "WRITTEN"
    for me, them in ((asha, bilal), (bilal, asha)):
        side = me.relationship(them)
        assert (side["following"], side["followedBy"], side["blocking"]) == (False, False, False)
        assert me.ask("{ viewer { followerCount followingCount } }")["viewer"] == {
            "followerCount": 1,
            "followingCount": 1,
        }
        assert set(found(me, things(scene, me, them))) == {"person", "relationship", "story", "chapter", "reading"}


# --- What a block refuses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["follow", "unfollow", "remove_follower", "unblock"])
@pytest.mark.parametrize("version", ["0", "1", "2", "99"])
def test_somebody_who_blocks_me_is_like_nobody(scene: BlockFixture, action: str, version: str) -> None:
    """Whatever version I name: the very words of an unknown person, and nothing written."""
    nobody = ApiClient(person=type(scene.asha.person)(pk=UNKNOWN))
    scene.asha.block(scene.bilal)
    with nothing_written():
        act = getattr(scene.bilal, action)
        hidden, unknown = act(scene.asha, version=version), act(nobody, version=version)
    assert hidden == unknown
    assert hidden["__typename"] == "NotFoundError"


def test_a_story_across_a_block_is_like_none(scene: BlockFixture) -> None:
    """Its reader and its would-be publisher hear the words of an unknown story, whoever made the block."""
    unknown_story = to_id("Story", UNKNOWN)
    scene.asha.block(scene.bilal)
    for me, them in ((scene.bilal, scene.asha), (scene.asha, scene.bilal)):
        story = scene.story[them]["id"]
        with nothing_written():
            for version in ("0", "1", "99"):
                assert me.record_view(story, version=version) == me.record_view(unknown_story, version=version)
                assert me.publish(story, version=version) == me.publish(unknown_story, version=version)
        assert me.publish(story)["__typename"] == "NotFoundError"


def test_whom_i_block_i_do_not_follow(scene: BlockFixture) -> None:
    """I made the block and know of it: FORBIDDEN, and what to do first."""
    side = scene.asha.block(scene.bilal)["relationship"]
    with nothing_written():
        answer = scene.asha.follow(scene.bilal, version=side["version"])
    assert (answer["__typename"], answer["code"]) == ("ForbiddenError", "FORBIDDEN")


def test_both_may_block_each_other(scene: BlockFixture) -> None:
    """The second block is not refused, and each ends only by who made it."""
    asha, bilal = scene.asha, scene.bilal
    assert asha.block(bilal)["applied"] == "WRITTEN"
    mine = bilal.block(asha)
    assert (mine["applied"], mine["relationship"]["blocking"]) == ("WRITTEN", True)
    assert bilal.relationship(asha) is None
    assert bilal.unblock(asha, version=mine["relationship"]["version"])["applied"] == "WRITTEN"
    assert bilal.ask(PERSON, h="asha") == {"person": None}
    assert asha.relationship(bilal)["blocking"] is True


# --- What a version tells ---------------------------------------------------------------------------------------

SIDE = "query ($p: [ID!]!) { relationships(people: $p) { version updatedAt following followedBy blocking } }"


def test_a_follow_collides_with_a_block_of_ones_own_that_was_lifted(asha: ApiClient, bilal: ApiClient) -> None:
    """A block that is lifted again leaves nothing in the way: only the version tells of it."""
    asha.block(bilal)
    asha.unblock(bilal, "1")
    stale = asha.follow(bilal, "0")
    assert (stale["__typename"], stale["current"]["following"]) == ("ConflictError", False)
    assert asha.follow(bilal, "2")["applied"] == "WRITTEN"


def test_a_block_among_strangers_moves_nothing_of_the_blocked(asha: ApiClient, bilal: ApiClient) -> None:
    """Neither version nor date tells afterwards that there was a block; my own side has moved twice."""
    before = bilal.ask(SIDE, p=[asha.id])
    blocked = asha.block(bilal)["relationship"]
    asha.unblock(bilal, version=blocked["version"])
    assert bilal.ask(SIDE, p=[asha.id]) == before
    assert asha.relationship(bilal)["version"] == "2"
    assert bilal.follow(asha, version="0")["applied"] == "WRITTEN"


def test_a_hidden_block_moves_only_what_it_ended(asha: ApiClient, bilal: ApiClient) -> None:
    """Bilal sees that he no longer follows, which is one change; a second block and its end are none."""
    bilal.follow(asha)
    for _ in range(2):
        blocked = asha.block(bilal)["relationship"]
        asha.unblock(bilal, version=blocked["version"])
        side = bilal.relationship(asha)
        assert side == {"version": "2", "following": False, "followedBy": False, "blocking": False}


def test_a_conflict_shows_nothing_of_a_hidden_block(asha: ApiClient, bilal: ApiClient) -> None:
    """The blocked who meets a conflict hears of no block, and the blocker sees no block of the other's."""
    asha.block(bilal)
    bilal.block(asha)
    conflict = asha.unblock(bilal, version="0")
    assert conflict["__typename"] == "ConflictError"
    assert conflict["current"]["blocking"] is True
    assert set(conflict["current"]) == {
        "__typename",
        "id",
        "version",
        "updatedAt",
        "following",
        "followedBy",
        "blocking",
    }
    assert conflict["current"]["version"] == "1"


def test_a_replay_after_a_block_says_no_more_than_of_a_story_that_went(scene: BlockFixture) -> None:
    """The view was recorded, and whatever hangs on the story is hidden with it."""
    key = "01890000-0000-7000-8000-000000000001"
    story = scene.story[scene.asha]["id"]
    assert scene.bilal.record_view(story, version="1", key=key)["__typename"] == "ReadingSuccess"
    scene.asha.block(scene.bilal)
    again = scene.bilal.record_view(story, version="1", key=key)
    assert (again["__typename"], again["code"]) == ("NotFoundError", "NOT_FOUND")
    query = (
        "mutation ($s: ID!, $k: UUID) { recordView(story: $s, expect: {version: 1}, key: $k) "
        "{ ... on ReadingSuccess { reading { story { title author { handle } } } } } }"
    )
    assert scene.bilal.post(query, s=story, k=key) == {"data": {"recordView": {}}}
