"""Calls the GraphQL API as a client does, in this process: the whole stack, with real commits."""

import json
import uuid
from typing import Any

from backend.engine.transactions import unit_of_work
from backend.people import actions
from backend.stories.actions import make_shelf
from schema.nodes import to_id
from tests.api.account import AccountCalls
from tests.api.coauthors import CoauthorCalls
from tests.api.http import Client
from tests.api.market import MarketCalls
from tests.api.moderation import ModerationCalls
from tests.api.notifications import NotificationCalls

PASSWORD = "a good enough password"

FAILURE = """
... on Failure { code message retry { kind afterMs } }
... on InvalidError { fields { path message } }
... on ConflictError {
  expected overlaps { path base mine theirs } suggestion
  current {
    __typename id version updatedAt
    ... on Relationship { following followedBy blocking }
    ... on Shelf { storyCount }
    ... on Reading { offset chapter { id } }
    ... on Person { name bio }
    ... on Story { title status }
    ... on Chapter { position title body }
  }
}
"""
"""The part of a selection that every mutation's failures share; fragments of types that a union lacks are left out."""


UNCONDITIONED = "... on Failure { code message retry { kind afterMs } } ... on InvalidError { fields { path message } }"
WRITTEN_STORY = (
    "story { id version title summary mature warnings status chapters { id title } } shelf { version storyCount }"
)
WRITTEN_CHAPTER = "chapter { id version position title body } story { id version }"
TYPES: dict[Any, str] = {
    "id": "ID!",
    "story": "ID!",
    "expect": "Expect!",
    "onConflict": "OnConflict!",
    "key": "UUID",
    "order": "[ID!]!",
    "chapter": "ChapterInput!",
    ("updateStory", "patch"): "StoryPatch!",
    ("updateChapter", "patch"): "ChapterPatch!",
    ("appendChapter", "key"): "UUID!",
}


def _on(merge: bool) -> str:
    return "MERGE" if merge else "FAIL"


class ApiClient(CoauthorCalls, ModerationCalls, NotificationCalls, AccountCalls, MarketCalls):
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

    def follow(self, whom: "ApiClient", version: str = "0", key: str | None = None) -> Any:
        return self._relationship("follow", whom, {"version": version}, key)

    def unfollow(self, whom: "ApiClient", version: str, key: str | None = None) -> Any:
        return self._relationship("unfollow", whom, {"version": version}, key)

    def remove_follower(self, whom: "ApiClient", version: str, key: str | None = None) -> Any:
        return self._relationship("removeFollower", whom, {"version": version}, key)

    def block(self, whom: "ApiClient", version: str | None = None, key: str | None = None) -> Any:
        expect = {"current": True} if version is None else {"version": version}
        return self._relationship("block", whom, expect, key)

    def unblock(self, whom: "ApiClient", version: str, key: str | None = None) -> Any:
        return self._relationship("unblock", whom, {"version": version}, key)

    def _relationship(self, field: str, whom: "ApiClient", expect: dict[str, Any], key: str | None) -> Any:
        query = (
            f"mutation($p: ID!, $e: Expect!, $k: UUID) {{ {field}(person: $p, expect: $e, key: $k) {{ __typename "
            "... on RelationshipSuccess { applied relationship { id version updatedAt following followedBy blocking } } "
            f"{FAILURE} }} }}"
        )
        return self.ask(query, p=whom.id, e=expect, k=key)[field]

    def relationship(self, whom: "ApiClient") -> Any:
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

    def update_story(
        self, story: str, patch: dict[str, Any], version: str, merge: bool = False, key: str | None = None
    ) -> Any:
        given = {"id": story, "patch": patch, "expect": {"version": version}, "onConflict": _on(merge), "key": key}
        return self._edit("updateStory", "StorySuccess", WRITTEN_STORY, **given)

    def unpublish(self, story: str, version: str, key: str | None = None) -> Any:
        return self._edit(
            "unpublishStory", "StorySuccess", WRITTEN_STORY, id=story, expect={"version": version}, key=key
        )

    def delete_story(self, story: str, version: str, key: str | None = None) -> Any:
        shown = "id shelf { version storyCount }"
        return self._edit("deleteStory", "StoryDeleted", shown, id=story, expect={"version": version}, key=key)

    def reorder(self, story: str, order: list[str], version: str, key: str | None = None) -> Any:
        given = {"story": story, "order": order, "expect": {"version": version}, "key": key}
        return self._edit("reorderChapters", "StorySuccess", WRITTEN_STORY, **given)

    def append(self, story: str, title: str = "Another", body: str = "More.", key: str | None = None) -> Any:
        given = {"story": story, "chapter": {"title": title, "body": body}, "key": key or str(uuid.uuid4())}
        return self._edit("appendChapter", "ChapterSuccess", WRITTEN_CHAPTER, **given)

    def update_chapter(
        self, chapter: str, patch: dict[str, Any], version: str, merge: bool = False, key: str | None = None
    ) -> Any:
        given = {"id": chapter, "patch": patch, "expect": {"version": version}, "onConflict": _on(merge), "key": key}
        return self._edit("updateChapter", "ChapterSuccess", WRITTEN_CHAPTER, **given)

    def delete_chapter(self, chapter: str, version: str, key: str | None = None) -> Any:
        shown = "id story { id version chapterCount }"
        return self._edit("deleteChapter", "ChapterDeleted", shown, id=chapter, expect={"version": version}, key=key)

    def restore(self, revision: str, version: str, key: str | None = None) -> Any:
        shown = f"{WRITTEN_STORY} chapter {{ id version position title body }}"
        return self._edit(
            "restoreRevision", "RevisionSuccess", shown, id=revision, expect={"version": version}, key=key
        )

    def revisions(self, story: str) -> Any:
        """The story's history, newest first."""
        query = "query ($id: ID!) { story(id: $id) { revisions { edges { node { id version changed values } } } } }"
        return [edge["node"] for edge in self.ask(query, id=story)["story"]["revisions"]["edges"]]

    def _edit(self, field: str, success: str, shown: str, **given: Any) -> Any:
        """One of the writes to stories and chapters; `shown` is what its success shows besides `applied`."""
        declared = ", ".join(f"${name}: {TYPES.get((field, name)) or TYPES[name]}" for name in given)
        passed = ", ".join(f"{name}: ${name}" for name in given)
        failure = (FAILURE if field != "appendChapter" else UNCONDITIONED) + "... on NotFoundError { deletedAt }"
        query = f"mutation ({declared}) {{ {field}({passed}) {{ __typename ... on {success} {{ applied {shown} }} {failure} }} }}"
        return self.ask(query, **given)[field]

    def published_story(self, version: str = "0", chapters: int = 1, title: str = "A story") -> Any:
        """A new story, published: id and chapters."""
        story = self.create_story(version, title=title, chapters=chapters)["story"]
        assert self.publish(story["id"])["applied"] == "WRITTEN"
        return story

    def record_view(
        self,
        story: str,
        version: str | None = "0",
        chapter: str | None = None,
        offset: int = 0,
        key: str | None = None,
        policy: str = "EXACT",
        seen: str | None = None,
    ) -> Any:
        """Without a version: whatever it is now, which FURTHEST allows."""
        place = None if chapter is None else {"chapter": chapter, "offset": offset}
        query = (
            "mutation($s: ID!, $p: PlaceInput, $e: Expect!, $k: UUID, $o: PlacePolicy!, $v: Version) { recordView(story: $s, "
            "place: $p, expect: $e, policy: $o, seen: $v, key: $k) { __typename ... on ReadingSuccess { applied counted "
            "reading { id version offset chapter { id } } } "
            f"{FAILURE} }} }}"
        )
        expect = {"current": True} if version is None else {"version": version}
        return self.ask(query, s=story, p=place, e=expect, k=key, o=policy, v=seen)["recordView"]

    def record_views(self, views: list[dict[str, Any]], key: str | None = None) -> Any:
        """Several at once, each with its answer."""
        query = (
            "mutation ($v: [ViewInput!]!, $k: UUID) { recordViews(views: $v, key: $k) { __typename "
            "... on ViewsSuccess { applied views { __typename ... on ReadingSuccess { applied counted "
            f"reading {{ id version offset chapter {{ id }} }} }} {UNCONDITIONED} }} }} {UNCONDITIONED} }} }}"
        )
        return self.ask(query, v=views, k=key)["recordViews"]

    def update_profile(self, patch: dict[str, Any], version: str, merge: bool = False, key: str | None = None) -> Any:
        query = (
            "mutation($p: ProfilePatch!, $e: Expect!, $c: OnConflict!, $k: UUID) { updateProfile(patch: $p, expect: $e, "
            "onConflict: $c, key: $k) { __typename ... on ProfileSuccess { applied person { id version name bio } } "
            f"{FAILURE} }} }}"
        )
        conflict = "MERGE" if merge else "FAIL"
        return self.ask(query, p=patch, e={"version": version}, c=conflict, k=key)["updateProfile"]


def join(handle: str) -> ApiClient:
    """A new person with an account, an empty shelf and a token."""

    def work() -> ApiClient:
        account = actions.sign_up(handle=handle, name=handle.title(), password=PASSWORD)
        make_shelf(account.pk)
        return ApiClient(actions.new_token(account), account.person)

    return unit_of_work(work)
