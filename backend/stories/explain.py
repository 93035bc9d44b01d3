"""Explains why a write to a story or chapter found no row: missing, somebody else's, deleted, or changed."""

import uuid
from typing import Any

from backend.engine.errors import Busy, Conflict, FieldConflict, Forbidden, NotFound, Refusal, after_busy_ms
from backend.engine.versions import Expected, changed_since, conflict
from backend.sources import read
from backend.stories import queries, revisions
from backend.stories.models import Chapter, Story, StoryStatus, Tombstone

FIELDS = ("title", "summary", "mature", "warnings", "status")
"""The story's own fields; each is a field group of the same name."""

UNKNOWN_STORY = "There is no such story."
UNKNOWN_CHAPTER = "There is no such chapter."
NOT_THE_AUTHOR = "Only its author can change a story."


def own_story(story_id: uuid.UUID, author_id: uuid.UUID) -> Story:
    """The present story, if the person is its author. Raises `NotFound`, `Forbidden`."""
    story = read(Story, queries.BY_ID, key=story_id, viewer=author_id)
    if story is None:
        raise gone(story_id, author_id, UNKNOWN_STORY)
    if story.author_id != author_id:
        raise Forbidden(NOT_THE_AUTHOR)
    return story


def not_own_story(story_id: uuid.UUID, author_id: uuid.UUID) -> Refusal:
    """The refusal for a person who is not the author of this story."""
    own_story(story_id, author_id)
    return Busy(after_ms=after_busy_ms())  # it was created or restored after the write


def not_own_chapter(chapter_id: uuid.UUID, author_id: uuid.UUID) -> Refusal:
    """The refusal for a person who is not the author of this chapter's story."""
    found = read(Chapter, queries.CHAPTER_BY_ID, key=chapter_id, viewer=author_id)
    if found is None:
        return gone(chapter_id, author_id, UNKNOWN_CHAPTER)
    return not_own_story(found.story_id, author_id)


def gone(id_: uuid.UUID, author_id: uuid.UUID, otherwise: str) -> NotFound:
    """`NotFound`; its author is told when it was deleted."""
    stone = Tombstone.objects.filter(pk=id_, author_id=author_id).first()
    if stone is None:
        return NotFound(otherwise)
    return NotFound(f"This was deleted at {stone.deleted_at.isoformat()}.", deleted_at=stone.deleted_at)


def story_conflict(story: Story, mine: dict[str, Any], seen: Expected) -> Conflict:
    """The conflict of a write that sets these fields of the story."""
    return conflict(story, seen=seen, thing=("story", story.pk), overlaps=revisions.overlaps(story, mine, seen))


def changed(story: Story, seen: Expected, *, status: StoryStatus | None = None) -> Conflict:
    """The conflict of a write that depends on the whole story: lists everything that has changed since.

    For fields that the write does not set, `mine` equals `base`. A changed chapter is named by its present position.
    """
    fields = changed_since(story, seen, [*FIELDS, "chapters"])
    base = revisions.bases(story, seen, fields)
    overlaps = [
        FieldConflict(
            field, base.get(field), status if status and field == "status" else base.get(field), _now(story, field)
        )
        for field in fields
    ]
    texts = _written_texts(story, seen) if changed_since(story, seen, ["texts"]) else []
    return conflict(story, seen=seen, thing=("story", story.pk), overlaps=[*overlaps, *texts])


def _now(story: Story, field: str) -> Any:
    return list(queries.order_of(story.pk)) if field == "chapters" else getattr(story, field)


def _written_texts(story: Story, seen: Expected) -> list[FieldConflict]:
    written = Chapter.objects.filter(story_id=story.pk, story_version__gt=seen.version).order_by("position")
    written = written.exclude(story_version__in=seen.own)
    return [
        FieldConflict(f"chapters.{position}", base=None, mine=None, theirs={"id": id_, "title": title})
        for position, id_, title in written.values_list("position", "pk", "title")
    ]
