"""Whatever a mutation answers with can be looked into: every field of it, in a success, a replay and a conflict."""

import uuid
from typing import Any

import pytest

from schema.execution import GRAPHQL
from tests.api import Caller

PERSON = """
fragment P on Person {
  id version updatedAt joinedAt handle name bio followerCount followingCount storyCount
  relationship { id version updatedAt following person { handle } }
  followers { totalCount edges { node { handle } } } followed: following { totalCount edges { node { handle } } }
  stories { edges { node { title } } } shelf { id version storyCount stories { edges { node { title } } } }
}
"""
STORY = """
fragment S on Story {
  id version updatedAt createdAt publishedAt title summary status mature chapterCount viewCount
  author { ...P } chapters { id version updatedAt position title body story { title } }
  reading { id version updatedAt offset chapter { title } story { title } }
}
"""
REST = """
fragment R on Relationship { id version updatedAt following followedBy blocking person { ...P } }
fragment Sh on Shelf { id version updatedAt storyCount stories { edges { node { ...S } } } }
fragment Re on Reading { id version updatedAt offset chapter { id title story { ...S } } story { ...S } }
"""
CURRENT = "... on ConflictError { current { __typename id version updatedAt ...P ...S ...R ...Sh ...Re } }"
ASKS: dict[str, tuple[str, str]] = {
    "updateProfile": ('patch: {bio: "x"}', "... on ProfileSuccess { applied person { ...P } }"),
    "follow": ("person: $whom", "... on RelationshipSuccess { applied relationship { ...R } }"),
    "unfollow": ("person: $whom", "... on RelationshipSuccess { applied relationship { ...R } }"),
    "removeFollower": ("person: $whom", "... on RelationshipSuccess { applied relationship { ...R } }"),
    "block": ("person: $whom", "... on RelationshipSuccess { applied relationship { ...R } }"),
    "unblock": ("person: $whom", "... on RelationshipSuccess { applied relationship { ...R } }"),
    "createStory": ('input: {title: "t"}', "... on StorySuccess { applied story { ...S } shelf { ...Sh } }"),
    "publishStory": ("id: $draft", "... on StorySuccess { applied story { ...S } shelf { ...Sh } }"),
    "recordView": ("story: $story", "... on ReadingSuccess { applied counted reading { ...Re } }"),
}
FRESH = {"updateProfile": "1", "publishStory": "1", "createStory": "1"}
"""The version that a first write names; 0 for what does not exist yet."""


def send(who: Caller, field: str, variables: dict[str, Any], version: str, key: str | None) -> Any:
    """The mutation with every field of whatever it can answer."""
    arguments, success = ASKS[field]
    used = [name for name in variables if f"${name}" in arguments]
    declared = "".join(f", ${name}: ID!" for name in used)
    query = (
        f"mutation ($e: Expect!, $k: UUID{declared}) {{ {field}({arguments}, expect: $e, key: $k) "
        f"{{ __typename {success} {CURRENT} }} }} {PERSON} {STORY} {REST}"
    )
    given = {name: variables[name] for name in used}
    return who.ask(query, e={"version": version}, k=key, **given)[field]


@pytest.mark.parametrize("field", ASKS)
def test_every_field_of_an_answer_is_there(field: str, asha: Caller, bilal: Caller) -> None:
    """A write, the same again with its key, and a late one: none of their fields is a fault."""
    draft = asha.create_story("0")["story"]["id"]
    variables = {"whom": bilal.id, "draft": draft, "story": bilal.published_story()["id"]}
    version, key = FRESH.get(field, "0"), str(uuid.uuid4())
    first = send(asha, field, variables, version, key)
    again = send(asha, field, variables, version, key)
    assert first.pop("applied") in ("WRITTEN", "NOOP")
    assert again.pop("applied") == "REPLAYED"
    assert again == first
    late = send(asha, field, variables, "99", None)
    assert late["__typename"] == "ConflictError"
    assert late["current"]["id"]


def test_signing_in_and_up_answer_with_the_whole_person(nobody: Caller) -> None:
    """The person of a new token is oneself: the shelf is there, a relationship is not."""
    query = (
        'mutation { signUp(handle: "dev", name: "Dev", password: "a good enough password") '
        f"{{ ... on SignSuccess {{ person {{ ...P }} }} }} }} {PERSON}"
    )
    person = nobody.ask(query)["signUp"]["person"]
    assert person["relationship"] is None
    assert person["shelf"]["storyCount"] == 0


def test_the_table_names_every_conditioned_mutation() -> None:
    """A mutation that is added is looked into here too."""
    mutations = GRAPHQL.mutation_type.fields if GRAPHQL.mutation_type else {}
    assert set(ASKS) == {name for name, field in mutations.items() if "expect" in field.args}
