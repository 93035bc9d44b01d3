"""What is hidden answers queries as what there never was, byte for byte."""

import pytest

from schema.nodes import from_id, to_id
from tests.schema.access_fixture import MISSING, THINGS, VIEWERS, AccessFixture, kind_of, raw
from tests.worlds import MadeOnce

NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"
NODES = "query ($id: ID!) { nodes(ids: [$id, $id]) { __typename id } }"
STORY = "query ($id: ID!) { story(id: $id) { id title author { handle } } }"
SIDE = "query ($id: ID!) { relationships(people: [$id]) { version person { handle } } }"
BY_AUTHOR = (
    "query ($id: ID!) { stories(filter: {author: $id}) { edges { cursor node { id } } pageInfo { hasNextPage } } }"
)
PERSON = "query ($h: String!) { person(handle: $h) { id handle } }"


@pytest.fixture(scope="module")
def scene(made_once: MadeOnce) -> AccessFixture:
    """The author, their things and everybody; the same for all."""
    return made_once(AccessFixture)


@pytest.mark.parametrize("viewer", VIEWERS)
def test_queries_tell_nothing_of_what_is_hidden(scene: AccessFixture, viewer: str) -> None:
    """By id, by id among others, and where only one type is looked for."""
    caller = scene.callers[viewer]
    hidden = {row.what for row in THINGS if row.cells[viewer] in ("–", "order")}
    for thing in hidden:
        id_, kind = scene.ids[thing](caller), kind_of(thing)
        for query in (NODE, NODES, *([STORY] if kind == "Story" else [])):
            found = from_id(id_)
            assert found is not None
            nothing = to_id(kind, *found[1][:-1], MISSING)
            assert raw(caller, query, id=id_) == raw(caller, query, id=nothing), (thing, query)


def test_a_hidden_person_is_like_none(scene: AccessFixture) -> None:
    """By handle, in relationships, and as the author of a list; a list is empty also for who blocks them."""
    blocked, nothing = scene.callers["blocked"], to_id("Person", MISSING)
    assert raw(blocked, PERSON, h="the-author") == raw(blocked, PERSON, h="nobody-at-all")
    assert raw(blocked, SIDE, id=scene.author.id) == raw(blocked, SIDE, id=nothing)
    for caller in (blocked, scene.callers["blocks"]):
        assert raw(caller, BY_AUTHOR, id=scene.author.id) == raw(caller, BY_AUTHOR, id=nothing)
