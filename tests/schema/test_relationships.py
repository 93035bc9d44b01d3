"""The viewer's side towards several people at once, and whose side it is."""

import uuid

from schema.nodes import MAX_IDS, to_id
from tests.api import ApiClient

RELATIONSHIPS = "query ($p: [ID!]!) { relationships(people: $p) { person { handle } following } }"


def test_relationships_come_in_the_order_asked_for(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
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


def test_relationships_are_of_the_signed_in(asha: ApiClient, nobody: ApiClient) -> None:
    """Nobody has none."""
    assert nobody.ask(RELATIONSHIPS, p=[asha.id, "x"])["relationships"] == [None, None]


def test_at_most_so_many_relationships_at_once(asha: ApiClient, bilal: ApiClient) -> None:
    """More are refused, not cut off."""
    assert len(asha.ask(RELATIONSHIPS, p=[bilal.id] * MAX_IDS)["relationships"]) == MAX_IDS
    assert asha.post(RELATIONSHIPS, p=[bilal.id] * (MAX_IDS + 1))["errors"][0]["extensions"]["code"] == "INVALID"


def test_somebody_elses_side_is_not_found(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """A relationship is its viewer's."""
    asha.follow(bilal)
    node = "query ($id: ID!) { node(id: $id) { id } }"
    mine = to_id("Relationship", asha.person.pk, bilal.person.pk)
    assert asha.ask(node, id=mine)["node"] == {"id": mine}
    for other in (bilal, chitra, ApiClient()):
        assert other.ask(node, id=mine)["node"] is None


def test_a_persons_relationship_is_the_viewers(asha: ApiClient, bilal: ApiClient) -> None:
    """Null when signed out and for oneself."""
    asha.follow(bilal)
    query = '{ person(handle: "bilal") { relationship { following version } } }'
    assert asha.ask(query)["person"]["relationship"] == {"following": True, "version": "1"}
    assert bilal.ask(query)["person"]["relationship"] is None
    assert ApiClient().ask(query)["person"]["relationship"] is None
