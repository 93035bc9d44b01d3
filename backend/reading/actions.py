"""Records a view: the reader's position, the view of the day and the story's total, in one transaction."""

import uuid

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
from backend.stories.row_locks import lock_chapter, locked_story

MAX_OFFSET = 2**31 - 1

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

    With `furthest` the position only moves forward, without a condition. `seen` is the version of the story that the reader
    has open; None for the present one. Returns the reading, whether a view was counted, and what was done. Raises `Conflict`
    (with the position that another device stored), `NotFound`, `Invalid`.
    """
    story = locked_story(story_id, viewer=reader_id)
    if story is None:
        raise NotFound(UNKNOWN_STORY)
    visit = Visit(story_id, reader_id, _checked_seen(story, seen), _checked_place(story, place))
    written = places.advance(visit) if furthest else places.move(visit, expected)
    reading = written or places.present(visit, ANYTHING if furthest else expected)
    counted = story.author_id != reader_id and story.published_at is not None and _count(story_id, reader_id)
    return reading, counted, Applied.WRITTEN if written or counted else Applied.NOOP


def _checked_place(story: Story, place: ReadingPlace | None) -> ReadingPlace | None:
    if place is None:
        return None
    if not 0 <= place.offset <= MAX_OFFSET:
        raise Invalid.one("place.offset", "must not be negative.")
    if not lock_chapter(place.chapter_id, story=story.pk):
        raise Invalid.one("place.chapter", "is not a chapter of this story.")
    return place


def _checked_seen(story: Story, seen: int | None) -> int:
    if seen is None:
        return story.version
    if not 1 <= seen <= story.version:
        raise Invalid.one("seen", "is not a version that this story has had.")
    return seen


COUNT = """
INSERT INTO reading_view (story_id, reader_id, day)
VALUES (%s, %s, (statement_timestamp() AT TIME ZONE 'UTC')::date) ON CONFLICT DO NOTHING
"""


def _count(story_id: uuid.UUID, reader_id: uuid.UUID) -> bool:
    """Count today's view unless it was counted already. The day is UTC, by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [story_id, reader_id])
        if not cursor.rowcount:
            return False
    (in_slot,) = tallies.add(StoryTally, [(story_id, "views", 1)])
    rank.raised(story_id, in_slot)
    return True
