"""Replays beside writes: whatever comes in between, a reply is shown whole, or what it showed is gone."""

import uuid
from typing import Any

import pytest

from backend.stories.models import Story
from backend.stories.revisions import prune
from tests.api import ApiClient
from tests.races.rivals import elsewhere, race
from tests.races.rows import assert_verified
from tests.races.statements import before

pytestmark = pytest.mark.django_db(transaction=True)

SHOWN = "id version chapterCount viewCount chapters { id version title body } revisions { edges { node { version } } }"
CREATE = (
    "mutation ($i: CreateStoryInput!, $k: UUID) { createStory(input: $i, expect: {version: 0}, key: $k) { __typename "
    f"... on StorySuccess {{ applied story {{ {SHOWN} }} }} ... on NotFoundError {{ deletedAt }} }} }}"
)
CHAPTERS = [{"title": f"Chapter {n}", "body": f"Text {n}."} for n in (1, 2, 3)]


class Created:
    """A story that was created with a key."""

    def __init__(self, author: ApiClient) -> None:
        self.author, self.key = author, str(uuid.uuid4())
        self.first = self.again()
        self.story = self.first["story"]["id"]
        self.chapters = [chapter["id"] for chapter in self.first["story"]["chapters"]]
        assert self.first.pop("applied") == "WRITTEN"

    def again(self) -> Any:
        """The same request again."""
        return self.author.ask(CREATE, i={"title": "T", "chapters": CHAPTERS}, k=self.key)["createStory"]

    def delete(self) -> Any:
        return self.author.delete_story(self.story, str(Story.objects.get().version))

    def edit(self, number: int) -> Any:
        return self.author.update_chapter(self.chapters[number], {"body": "Elsewhere."}, "1")


@pytest.fixture
def created(asha: ApiClient) -> Created:
    return Created(asha)


@pytest.mark.parametrize(
    "statement", ["FROM .*stories_story", "FROM .*stories_chapter", "FROM stories_revision", "tally"]
)
def test_a_story_that_goes_while_its_replay_is_read_is_shown_whole(statement: str, created: Created) -> None:
    """The replay has found it, and sees one moment; the next one says that it is gone."""
    with before(statement, lambda: elsewhere(created.delete)):
        again = created.again()
    assert not Story.objects.exists()
    assert again.pop("applied") == "REPLAYED"
    assert again == created.first
    assert created.again()["__typename"] == "NotFoundError"


def test_a_story_that_goes_before_its_replay_is_read_is_gone(created: Created) -> None:
    """The snapshot begins with the first statement after the stored reply, which is about the shelf."""
    with before("FROM .*stories_shelf", lambda: elsewhere(created.delete)):
        again = created.again()
    assert again["__typename"] == "NotFoundError"
    assert again["deletedAt"] is not None


@pytest.mark.parametrize("statement", ["FROM .*stories_story", "FROM .*stories_chapter", "FROM stories_revision"])
def test_a_chapter_that_is_written_while_a_replay_is_read_is_as_it_was(statement: str, created: Created) -> None:
    """One that was written before, and one in between."""
    assert created.edit(0)["applied"] == "WRITTEN"
    with before(statement, lambda: elsewhere(lambda: created.edit(1))):
        again = created.again()
    assert again.pop("applied") == "REPLAYED"
    assert again == created.first


def test_replays_and_a_deletion_at_once(created: Created) -> None:
    """Of eight who send it again each hears the first reply or that it is gone, and nobody makes a second story."""
    answers = race([*[created.again] * 8, created.delete])
    assert answers[-1]["applied"] == "WRITTEN"
    for answer in answers[:-1]:
        if answer["__typename"] == "StorySuccess":
            assert answer == {**created.first, "applied": "REPLAYED"}
        else:
            assert answer["deletedAt"] is not None
    assert not Story.objects.exists()
    assert_verified()


def test_replays_and_edits_at_once(created: Created) -> None:
    """Each replay is the first reply, however many writes it meets."""
    edits = [lambda number=number: created.edit(number) for number in range(3)]
    answers = race([*[created.again] * 5, *edits])
    assert all(answer == {**created.first, "applied": "REPLAYED"} for answer in answers[:5])
    assert [answer["applied"] for answer in answers[5:]] == ["WRITTEN"] * 3
    assert_verified()


def test_what_the_history_has_forgotten_is_shown_as_it_is_now(created: Created) -> None:
    """With its present version, so that nobody takes it for what it was; what is gone is left out."""
    for version in ("1", "2"):
        assert (
            created.author.update_chapter(created.chapters[0], {"body": f"After {version}."}, version)["applied"]
            == "WRITTEN"
        )
    assert created.author.update_chapter(created.chapters[1], {"body": "Elsewhere."}, "1")["applied"] == "WRITTEN"
    prune(kept=1, characters=0)
    chapters = created.again()["story"]["chapters"]
    assert [(one["version"], one["body"]) for one in chapters] == [
        ("3", "After 2."),
        ("1", "Text 2."),
        ("1", "Text 3."),
    ]
