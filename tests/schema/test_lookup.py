"""Finding anything again by its id, as Relay and every normalising cache do."""

import uuid
from typing import Any

import pytest

from schema.nodes import MAX_IDS, to_id
from tests.api import ApiClient
from tests.api.moderation import make_moderator

EVERYTHING = """
query ($s: ID!, $p: [ID!]!) {
  viewer { id shelf { id } }
  story(id: $s) { id reading { id } chapters { id } }
  relationships(people: $p) { id }
}
"""
TYPES = ["Person", "Shelf", "Story", "Reading", "Chapter", "Relationship", "Whisper", "Report", "Edition", "Order"]
NODE = "query ($id: ID!) { node(id: $id) { __typename id ... on Versioned { version updatedAt } } }"
NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Versioned { version updatedAt } } }"


@pytest.fixture
def ids(asha: ApiClient, bilal: ApiClient) -> list[str]:
    """An id of each type, as asha is handed it out."""
    story = bilal.published_story()
    edition = bilal.create_edition(story["id"])["edition"]["id"]
    order = asha.place_order((edition, 1))["order"]["id"]
    found: Any = asha.ask(EVERYTHING, s=story["id"], p=[bilal.id])
    return [
        found["viewer"]["id"],
        found["viewer"]["shelf"]["id"],
        found["story"]["id"],
        found["story"]["reading"]["id"],
        found["story"]["chapters"][0]["id"],
        found["relationships"][0]["id"],
        *moderated(asha, bilal),
        edition,
        order,
    ]


def moderated(asha: ApiClient, bilal: ApiClient) -> list[str]:
    """A whisper, and a report of it that asha sees as a moderator."""
    whisper = bilal.create_whisper()["whisper"]["id"]
    return [whisper, make_moderator(asha).report(whisper)["report"]["id"]]


def test_every_id_finds_its_thing_again(asha: ApiClient, ids: list[str]) -> None:
    """With type, id, version and date; alone and together."""
    alone = [asha.ask(NODE, id=one)["node"] for one in ids]
    assert [node["id"] for node in alone] == ids
    assert [node["__typename"] for node in alone] == TYPES
    assert all(node["version"] and node["updatedAt"] for node in alone)
    assert asha.ask(NODES, ids=ids)["nodes"] == alone


def test_text_that_cannot_be_an_id_spoils_no_other(asha: ApiClient, bilal: ApiClient) -> None:
    """It names nothing, like any id of which there is nothing to see."""
    bad = ["", "\0", "\ud800", "x" * 1_000_000, "é", to_id("Nonsense", uuid.uuid4())]
    assert asha.ask(NODES, ids=[*bad, bilal.id])["nodes"][:-1] == [None] * len(bad)
    assert [asha.ask(NODE, id=one)["node"] for one in bad] == [None] * len(bad)
    found = asha.ask("query ($p: [ID!]!) { relationships(people: $p) { id } }", p=[*bad, bilal.id])["relationships"]
    assert found[:-1] == [None] * len(bad)
    assert found[-1] is not None


def test_nodes_keep_order_and_holes(asha: ApiClient, ids: list[str]) -> None:
    """Each place of the answer belongs to its place of the question, repeated or unknown."""
    asked = [ids[2], "nonsense", ids[0], ids[2], to_id("Story", uuid.UUID(int=7)), to_id("Nonsense", uuid.UUID(int=7))]
    found = asha.ask(NODES, ids=asked)["nodes"]
    assert [node and node["id"] for node in found] == [ids[2], None, ids[0], ids[2], None, None]
    assert asha.ask(NODES, ids=[])["nodes"] == []


def test_the_signed_out_find_what_is_public(ids: list[str]) -> None:
    """People, stories, their chapters and editions, whispers."""
    found = ApiClient().ask(NODES, ids=ids)["nodes"]
    public = ("Person", "Story", "Chapter", "Whisper", "Edition")
    assert [node and node["__typename"] for node in found] == [one if one in public else None for one in TYPES]


def test_what_names_nothing_is_null(asha: ApiClient, bilal: ApiClient) -> None:
    """No error: a cache may ask for what is long gone, or what never was."""
    me, them = asha.person.pk, bilal.person.pk
    nothing = [
        *("", " ", "x", "é", "\0", "\ud800", str(me), "x" * 100_000, -5, 9**30),
        to_id("Person"),
        to_id("Person", me, me),
        to_id("Relationship", me),
        to_id("Relationship", them, me),
        to_id("Relationship", me, me),
        to_id("Relationship", me, uuid.UUID(int=7)),
        to_id("Reading", me, uuid.UUID(int=7)),
        to_id("Reading", uuid.UUID(int=7)),
        to_id("Edition", uuid.UUID(int=7)),
        to_id("Order", uuid.UUID(int=7)),
        to_id("Query", me),
        to_id("SignSuccess", me),
        to_id("person", me),
        to_id("Person", me) + " ",
    ]
    for id_ in nothing:
        answer = asha.post(NODE, id=id_)
        if "errors" in answer:  # text that cannot be stored
            assert answer["errors"][0]["extensions"]["code"] == "INVALID"
        assert answer["data"] == {"node": None}, id_


def test_at_most_so_many_nodes_at_once(asha: ApiClient) -> None:
    """More are refused, not cut off."""
    assert len(asha.ask(NODES, ids=[asha.id] * MAX_IDS)["nodes"]) == MAX_IDS
    answer = asha.post(NODES, ids=[asha.id] * (MAX_IDS + 1))
    assert (answer["data"], answer["errors"][0]["extensions"]["code"]) == (None, "INVALID")
