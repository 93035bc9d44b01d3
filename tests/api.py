"""Calls the GraphQL API as a client does, in this process: the whole stack, with real commits."""

import json
from typing import Any

from django.test import Client

from backend.engine.transactions import unit_of_work
from backend.people import actions
from schema.nodes import to_id

PASSWORD = "a good enough password"

FAILURE = """
... on Failure { code message retry { kind afterMs } }
... on InvalidError { fields { path message } }
... on ConflictError {
  expected overlaps { path base mine theirs }
  current {
    __typename id version updatedAt
    ... on Relationship { following followedBy blocking }
    ... on Shelf { storyCount }
    ... on Reading { offset chapter { id } }
    ... on Person { name bio }
    ... on Story { title status }
  }
}
"""
"""The part of a selection that every mutation's failures share; fragments of types that a union lacks are left out."""


class Caller:
    """Somebody who calls the API: with a token, or signed out."""

    def __init__(self, token: str | None = None, person: Any = None) -> None:
        self.token = token
        self.person = person

    @property
    def id(self) -> str:
        """The person's global id."""
        return to_id("Person", self.person.pk)

    def post(self, query: str, **variables: Any) -> dict[str, Any]:
        """The whole answer: data, errors."""
        headers = {"HTTP_AUTHORIZATION": f"Bearer {self.token}"} if self.token else {}
        body = json.dumps({"query": query, "variables": variables})
        response = Client().post("/graphql", body, content_type="application/json", **headers)
        return response.json()

    def ask(self, query: str, **variables: Any) -> Any:
        """The data; fails where there are errors."""
        answer = self.post(query, **variables)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    # One method for each mutation: the answer of its only field.

    def follow(self, whom: "Caller", version: str = "0", key: str | None = None) -> Any:
        return self._relationship("follow", whom, {"version": version}, key)

    def unfollow(self, whom: "Caller", version: str, key: str | None = None) -> Any:
        return self._relationship("unfollow", whom, {"version": version}, key)

    def remove_follower(self, whom: "Caller", version: str, key: str | None = None) -> Any:
        return self._relationship("removeFollower", whom, {"version": version}, key)

    def block(self, whom: "Caller", version: str | None = None, key: str | None = None) -> Any:
        expect = {"current": True} if version is None else {"version": version}
        return self._relationship("block", whom, expect, key)

    def unblock(self, whom: "Caller", version: str, key: str | None = None) -> Any:
        return self._relationship("unblock", whom, {"version": version}, key)

    def _relationship(self, field: str, whom: "Caller", expect: dict[str, Any], key: str | None) -> Any:
        query = (
            f"mutation($p: ID!, $e: Expect!, $k: UUID) {{ {field}(person: $p, expect: $e, key: $k) {{ __typename "
            "... on RelationshipSuccess { applied relationship { id version updatedAt following followedBy blocking } } "
            f"{FAILURE} }} }}"
        )
        return self.ask(query, p=whom.id, e=expect, k=key)[field]

    def relationship(self, whom: "Caller") -> Any:
        """The caller's side towards somebody, or None."""
        query = "query($p: [ID!]!) { relationships(people: $p) { version following followedBy blocking } }"
        return self.ask(query, p=[whom.id])["relationships"][0]

    def create_story(
        self, version: str, title: str = "A story", chapters: int = 1, key: str | None = None, **fields: Any
    ) -> Any:
        written = [{"title": f"Chapter {n}", "body": f"Text {n}."} for n in range(1, chapters + 1)]
        query = (
            "mutation($i: CreateStoryInput!, $e: Expect!, $k: UUID) { createStory(input: $i, expect: $e, key: $k) { "
            "__typename ... on StorySuccess { applied story { id version title status chapterCount chapters { id position "
            f"title body }} }} shelf {{ version storyCount }} }} {FAILURE} }} }}"
        )
        given = {"title": title, "chapters": written, **fields}
        return self.ask(query, i=given, e={"version": version}, k=key)["createStory"]

    def publish(self, story: str, version: str = "1", key: str | None = None) -> Any:
        query = (
            "mutation($id: ID!, $e: Expect!, $k: UUID) { publishStory(id: $id, expect: $e, key: $k) { __typename "
            "... on StorySuccess { applied story { id version status publishedAt } shelf { version storyCount } } "
            f"{FAILURE} }} }}"
        )
        return self.ask(query, id=story, e={"version": version}, k=key)["publishStory"]

    def published_story(self, version: str = "0", chapters: int = 1, title: str = "A story") -> Any:
        """A new story, published: id and chapters."""
        story = self.create_story(version, title=title, chapters=chapters)["story"]
        assert self.publish(story["id"])["applied"] == "WRITTEN"
        return story

    def record_view(
        self, story: str, version: str = "0", chapter: str | None = None, offset: int = 0, key: str | None = None
    ) -> Any:
        place = None if chapter is None else {"chapter": chapter, "offset": offset}
        query = (
            "mutation($s: ID!, $p: PlaceInput, $e: Expect!, $k: UUID) { recordView(story: $s, place: $p, expect: $e, "
            "key: $k) { __typename ... on ReadingSuccess { applied counted reading { id version offset chapter { id } } } "
            f"{FAILURE} }} }}"
        )
        return self.ask(query, s=story, p=place, e={"version": version}, k=key)["recordView"]

    def update_profile(self, patch: dict[str, Any], version: str, merge: bool = False, key: str | None = None) -> Any:
        query = (
            "mutation($p: ProfilePatch!, $e: Expect!, $c: OnConflict!, $k: UUID) { updateProfile(patch: $p, expect: $e, "
            "onConflict: $c, key: $k) { __typename ... on ProfileSuccess { applied person { id version name bio } } "
            f"{FAILURE} }} }}"
        )
        conflict = "MERGE" if merge else "FAIL"
        return self.ask(query, p=patch, e={"version": version}, c=conflict, k=key)["updateProfile"]


def join(handle: str) -> Caller:
    """A new person with an account, an empty shelf and a token."""

    def work() -> Caller:
        account = actions.sign_up(handle=handle, name=handle.title(), password=PASSWORD)
        return Caller(actions.new_token(account), account.person)

    return unit_of_work(work)
