"""What the tests of bad input stand on: the same requests with good input are written."""

from schema.execution.graphql_schema import GRAPHQL
from tests.nouns import merged
from tests.schema.mutation_fixture import KEY, LISTED, MUTATIONS, MutationFixture, send


def test_the_table_holds_every_mutation(world: MutationFixture) -> None:
    """A mutation that is added is asked for its bad input as well."""
    assert set(GRAPHQL.mutation_type.fields) == LISTED | merged("ARGUMENTS").keys()
    for name in MUTATIONS:
        assert "errors" not in send(world, name), name


def test_a_version_that_the_story_has_had_can_have_been_seen(world: MutationFixture) -> None:
    """Its present one."""
    assert send(world, "recordView", seen="2")["data"]["recordView"]["__typename"] == "ReadingSuccess"


def test_the_furthest_place_takes_whatever_version(world: MutationFixture) -> None:
    """Also what is there now."""
    furthest = {"policy": "FURTHEST"}
    for expect in ({"current": True}, {"version": "77"}, {"after": KEY}):
        answer = send(world, "recordView", expect=expect, **furthest)["data"]["recordView"]
        assert answer["__typename"] == "ReadingSuccess", expect


def test_a_block_may_write_whatever_is_there(world: MutationFixture) -> None:
    """Of all mutations that expect something it alone."""
    answer = send(world, "block", expect={"current": True})["data"]["block"]
    assert answer["__typename"] == "RelationshipSuccess"
