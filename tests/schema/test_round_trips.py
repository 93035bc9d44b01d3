"""How often a mutation waits for PostgreSQL, BEGIN and COMMIT included: with a key, and with what the rows themselves answer."""

import uuid
from typing import Any

import pytest

from bench.count import heard
from tests.api import ApiClient

pytestmark = pytest.mark.django_db(transaction=True)

FOLLOW = """
mutation($it: ID!, $expect: Expect!, $key: UUID) { answer: follow(person: $it, expect: $expect, key: $key) {
  __typename ... on RelationshipSuccess { applied relationship { id version following } }
  ... on ConflictError { current { version } } } }
"""
UPDATE_STORY = """
mutation($it: ID!, $expect: Expect!, $key: UUID) { answer: updateStory(
  id: $it, patch: {title: "Another"}, expect: $expect, key: $key) {
  __typename ... on StorySuccess { applied story { id version title } } ... on ConflictError { current { version } } } }
"""
UPDATE_CHAPTER = """
mutation($it: ID!, $expect: Expect!, $key: UUID) { answer: updateChapter(
  id: $it, patch: {body: "Another."}, expect: $expect, key: $key) {
  __typename ... on ChapterSuccess { applied chapter { id version title } } ... on ConflictError { current { version } } } }
"""
RECORD_VIEW = """
mutation($it: ID!, $expect: Expect!, $key: UUID) { answer: recordView(story: $it, expect: $expect, key: $key) {
  __typename ... on ReadingSuccess { applied counted reading { id version } } ... on ConflictError { current { version } } } }
"""
PLACE_ORDER = """
mutation($it: ID!, $key: UUID!) { answer: placeOrder(lines: [{edition: $it, quantity: 1}], key: $key) {
  __typename ... on OrderSuccess { applied order { id version status totalCents } } } }
"""
CREATE_STORY = """
mutation($it: CreateStoryInput!, $expect: Expect!, $key: UUID) { answer: createStory(input: $it, expect: $expect, key: $key) {
  __typename ... on StorySuccess { applied story { id version title } shelf { version } }
  ... on ConflictError { current { version } } } }
"""
WITH_CHAPTERS = CREATE_STORY.replace("title }", "title chapters { id version position title body story { id } } }")
MOST = 3


def answered(client: ApiClient, document: str, it: Any, version: int | None = None) -> tuple[Any, int]:
    """The answer, and the round trips that it took."""
    given = {} if version is None else {"expect": {"version": str(version)}}
    answers: list[Any] = []
    _, trips = heard(lambda: answers.append(client.ask(document, it=it, key=str(uuid.uuid4()), **given)["answer"]))
    return answers[0], trips


def written(client: ApiClient, document: str, it: Any, version: int | None = None) -> int:
    """The round trips of a mutation that writes."""
    answer, trips = answered(client, document, it, version)
    assert answer.get("applied") == "WRITTEN", answer
    return trips


def refused(client: ApiClient, document: str, it: Any, version: int) -> int:
    """The round trips of a mutation that meets a conflict."""
    answer, trips = answered(client, document, it, version)
    assert answer["__typename"] == "ConflictError", answer
    return trips


def new_story(chapters: int) -> dict[str, Any]:
    return {"title": "T", "chapters": [{"title": f"{n}", "body": "."} for n in range(chapters)]}


def test_a_new_story_is_shown_with_its_chapters_without_waiting_for_them(asha: ApiClient) -> None:
    """What was written is at hand: the statements with BEGIN, the reply with COMMIT, and nothing after it."""
    for version, chapters in enumerate((0, 1, 50)):
        answer, trips = answered(asha, WITH_CHAPTERS, new_story(chapters), version)
        assert trips == 2
        found = asha.ask(WHOLE, id=answer["story"]["id"])["story"]
        assert answer["story"] == found
        assert [one["position"] for one in found["chapters"]] == [*range(1, chapters + 1)]


def test_a_chapter_is_shown_with_its_story_without_waiting_for_it(asha: ApiClient) -> None:
    """Both were written, so both are at hand: what is asked of the story inside costs no more."""
    chapter = asha.create_story("0")["story"]["chapters"][0]["id"]
    answer, trips = answered(asha, UPDATE_CHAPTER.replace("title }", "story { version } }"), chapter, 1)
    assert answer["chapter"]["story"] == {"version": "2"}
    _, of_itself = answered(asha, UPDATE_CHAPTER.replace("Another", "Other"), chapter, 2)
    assert trips == of_itself


WHOLE = """
query ($id: ID!) { story(id: $id) { id version title chapters { id version position title body story { id } } } }
"""


def test_a_mutation_waits_at_most_three_times(asha: ApiClient, bilal: ApiClient) -> None:
    """A conflict, with what is there now, at most once more."""
    assert written(asha, FOLLOW, bilal.id, 0) <= MOST
    assert written(asha, FOLLOW.replace("follow(", "unfollow("), bilal.id, 1) <= MOST
    assert refused(asha, FOLLOW, bilal.id, 0) <= MOST + 1
    assert written(asha, FOLLOW.replace("follow(", "block("), bilal.id, 2) <= MOST
    assert refused(asha, FOLLOW.replace("follow(", "unblock("), bilal.id, 2) <= MOST + 1
    for version, chapters in enumerate((0, 1, 50)):
        assert written(bilal, CREATE_STORY, new_story(chapters), version) <= MOST
    assert refused(bilal, CREATE_STORY, new_story(1), 0) <= MOST + 1
    story = bilal.published_story("3")
    id_, chapter = story["id"], story["chapters"][0]["id"]
    reader = ApiClient(asha.token, asha.person)
    reader.unblock(bilal, "3")
    assert written(reader, RECORD_VIEW, id_, 0) <= MOST
    # The view is counted all the same, by a transaction of its own.
    assert refused(reader, RECORD_VIEW, id_, 5) <= 2 * MOST + 1
    edition = bilal.create_edition(id_)["edition"]["id"]
    assert written(reader, PLACE_ORDER, edition) <= MOST
    assert written(bilal, UPDATE_STORY, id_, 2) <= MOST
    assert refused(bilal, UPDATE_STORY, id_, 2) <= MOST + 1
    assert written(bilal, UPDATE_CHAPTER, chapter, 1) <= MOST
    assert refused(bilal, UPDATE_CHAPTER, chapter, 1) <= MOST + 1
