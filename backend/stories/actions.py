"""Writes to stories: creating one with its chapters, and publishing it."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import F
from django.db.models.functions import Now

from backend.engine import tallies
from backend.engine.errors import Conflict, FieldConflict, Forbidden, NotFound
from backend.engine.idempotency import Applied
from backend.engine.text import Checker
from backend.engine.versions import Expected, conflict, every_group, is_unchanged, stamped, unchanged, write
from backend.people.models import PersonTally
from backend.stories.models import (
    BODY_CHARACTERS,
    MOST_CHAPTERS,
    SUMMARY_CHARACTERS,
    TITLE_CHARACTERS,
    Chapter,
    Shelf,
    Story,
    StoryStatus,
)
from backend.stories.queries import by_ids

UNKNOWN_STORY = "There is no such story."


@dataclass(frozen=True)
class NewChapter:
    """A chapter that does not exist yet."""

    title: str
    body: str


@dataclass(frozen=True)
class NewStory:
    """A story that does not exist yet, with its chapters in order."""

    title: str
    summary: str
    mature: bool
    chapters: Sequence[NewChapter]


def create_story(author_id: uuid.UUID, new: NewStory, seen: Expected) -> tuple[Story, Shelf]:
    """A draft and all its chapters, or nothing; a write to the author's shelf as it was at `seen`.

    Raises `Conflict`, with the shelf as it is now, and `Invalid`.
    """
    new = _checked(new)
    shelves = write(
        Shelf.objects.filter(pk=author_id, **unchanged(Shelf, seen, ["stories"])),
        story_count=F("story_count") + 1,
        **stamped(Shelf, ["stories"]),
    )
    if not shelves:
        raise conflict(Shelf.objects.get(pk=author_id), seen=seen, thing=("shelf", author_id))
    story = Story(author_id=author_id, title=new.title, summary=new.summary, mature=new.mature)
    Story.objects.bulk_create([story])
    Chapter.objects.bulk_create(
        Chapter(story=story, position=position, title=chapter.title, body=chapter.body)
        for position, chapter in enumerate(new.chapters, start=1)
    )
    return story, shelves[0]


def _checked(new: NewStory) -> NewStory:
    check = Checker()
    title = check.line("input.title", new.title, most=TITLE_CHARACTERS)
    summary = check.text("input.summary", new.summary, most=SUMMARY_CHARACTERS, blank=True)
    if len(new.chapters) > MOST_CHAPTERS:
        check.wrong("input.chapters", f"are too many: {len(new.chapters)}, at most {MOST_CHAPTERS}.")
    chapters = [
        NewChapter(
            title=check.line(f"input.chapters.{index}.title", chapter.title, most=TITLE_CHARACTERS),
            body=check.text(f"input.chapters.{index}.body", chapter.body, most=BODY_CHARACTERS),
        )
        for index, chapter in enumerate(new.chapters[:MOST_CHAPTERS])
    ]
    check.done()
    return NewStory(title, summary, new.mature, chapters)


def publish_story(story_id: uuid.UUID, author_id: uuid.UUID, seen: Expected) -> tuple[Story, Applied]:
    """Let everybody see the story, if nothing in it, any chapter included, has changed since `seen`.

    What is published is what the publisher saw. Raises `Conflict`, `NotFound`, `Forbidden`.
    """
    rows = write(
        Story.objects.filter(
            pk=story_id,
            author_id=author_id,
            status=StoryStatus.DRAFT,
            **unchanged(Story, seen, every_group(Story)),
        ),
        status=StoryStatus.PUBLISHED,
        published_at=Now(),
        **stamped(Story, ["status"]),
    )
    if not rows:
        return _explain_publish(story_id, author_id, seen), Applied.NOOP
    tallies.add(PersonTally, [(author_id, "stories", 1)])
    return rows[0], Applied.WRITTEN


def _explain_publish(story_id: uuid.UUID, author_id: uuid.UUID, seen: Expected) -> Story:
    """Why the write found no row: raises what the caller may know; else the story is published already."""
    story = by_ids([story_id], viewer=author_id).get(story_id)
    if story is None:
        raise NotFound(UNKNOWN_STORY)
    if story.author_id != author_id:
        raise Forbidden("Only its author can publish a story.")
    if not is_unchanged(story, seen, every_group(Story)):
        raise _publish_conflict(story, seen)
    return story


def _publish_conflict(story: Story, seen: Expected) -> Conflict:
    overlaps = []
    if story.status_changed > (seen.version or 0):
        overlaps = [FieldConflict("status", base=None, mine=StoryStatus.PUBLISHED.value, theirs=story.status)]
    return conflict(story, seen=seen, thing=("story", story.id), overlaps=overlaps)
