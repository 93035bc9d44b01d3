"""Records a view: the reader's position, the view of the day and the story's total, in one transaction."""

import uuid
from dataclasses import replace

from django.db import connection

from backend.engine import tallies
from backend.engine.errors import Invalid, NotFound
from backend.engine.idempotency import Applied
from backend.engine.versions import Expected
from backend.reading import places
from backend.reading.models import Reading
from backend.reading.places import ReadingPlace, Visit
from backend.stories import rank
from backend.stories.explain import UNKNOWN_STORY
from backend.stories.models import Story, StoryTally
from backend.stories.row_locks import locked_length, locked_story

ANYTHING = Expected(None)


def record_view(
    reader_id: uuid.UUID,
    story_id: uuid.UUID,
    place: ReadingPlace | None,
    expected: Expected,
    *,
    furthest: bool = False,
    seen: int | None = None,
) -> tuple[Reading, bool, Applied]:
    """Store the position if it has not changed since `expected`, and count the reader's first view of the story today.

    With `furthest` the position only moves forward, without a condition. A position beyond the chapter's end is stored as its
    end: the chapter may have been shortened while the reader had it open, and the view must not be lost for that. `seen` is
    the version of the story that the reader has open; None for the present one. Returns the reading, whether a view was
    counted, and what was done. Raises `Conflict` (with the position that another device stored), `NotFound`, `Invalid`.
    """
    story = locked_story(story_id, viewer=reader_id)
    if story is None:
        raise NotFound(UNKNOWN_STORY)
    place, length = _within_chapter(story, place)
    visit = Visit(story_id, reader_id, _checked_seen(story, seen), place)
    written = places.advance(visit) if furthest else places.move(visit, expected)
    reading = written or places.present(visit, ANYTHING if furthest else expected)
    if place is not None and reading.chapter_id == place.chapter_id:
        reading.chapter_length = length
    counted = _counts(story, reader_id) and _count(story_id, reader_id)
    return reading, counted, Applied.WRITTEN if written or counted else Applied.NOOP


def count_view(reader_id: uuid.UUID, story_id: uuid.UUID) -> None:
    """Count the reader's first view of the story today, and nothing else: for one whose position was refused.

    Whoever has no position yet is not counted; the view belongs to the first one that is stored.
    """
    story = locked_story(story_id, viewer=reader_id)
    if story is not None and _counts(story, reader_id):
        _count(story_id, reader_id)


def _within_chapter(story: Story, place: ReadingPlace | None) -> tuple[ReadingPlace | None, int | None]:
    """The position, at most the end of its chapter, and the chapter's length. Locks the chapter. Raises `Invalid`."""
    if place is None:
        return None, None
    if place.offset < 0:
        raise Invalid.one("place.offset", "must not be negative.")
    length = locked_length(place.chapter_id, story=story.pk)
    if length is None:
        raise Invalid.one("place.chapter", "is not a chapter of this story.")
    return replace(place, offset=min(place.offset, length)), length


def _counts(story: Story, reader_id: uuid.UUID) -> bool:
    return story.author_id != reader_id and story.published_at is not None


def _checked_seen(story: Story, seen: int | None) -> int:
    if seen is None:
        return story.version
    if not 1 <= seen <= story.version:
        raise Invalid.one("seen", "is not a version that this story has had.")
    return seen


COUNT = """
INSERT INTO reading_view (story_id, reader_id, day)
SELECT story_id, reader_id, (statement_timestamp() AT TIME ZONE 'UTC')::date FROM reading_reading
WHERE story_id = %s AND reader_id = %s ON CONFLICT DO NOTHING
"""


def _count(story_id: uuid.UUID, reader_id: uuid.UUID) -> bool:
    """Count today's view unless it was counted already, or the reader has no position. The day is UTC, by the database's
    clock.
    """
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [story_id, reader_id])
        if not cursor.rowcount:
            return False
    (in_slot,) = tallies.add(StoryTally, [(story_id, "views", 1)])
    rank.raised(story_id, in_slot)
    return True
