"""Records a view: the reader's position, the view of the day and the story's total, in one transaction."""

import uuid
from dataclasses import replace

from backend.engine import tallies
from backend.engine.declarations import query
from backend.engine.errors import NotFound, Wrong
from backend.engine.idempotency import Applied
from backend.engine.statements import Declared, Result, compiled
from backend.engine.text import Checker
from backend.engine.versions import Expected
from backend.reading import places
from backend.reading.models import Reading
from backend.reading.places import ReadingPlace, Visit
from backend.stories import rank
from backend.stories.explain import UNKNOWN_STORY
from backend.stories.models import Story, StoryTally
from backend.stories.row_locks import locked_story

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
    story, place, length, seen = _opened(reader_id, story_id, place, seen)
    visit = Visit(story_id, reader_id, seen, place)
    tries = places.advance(visit) if furthest else places.move(visit, expected)
    view = _count_view(story, reader_id)
    written = places.written_by(tries)
    reading = written or places.present(visit, ANYTHING if furthest else expected)
    if place is not None and reading.chapter_id == place.chapter_id:
        reading.chapter_length = length
    counted = _raise_rank(story_id, view)
    return reading, counted, Applied.WRITTEN if written or counted else Applied.NOOP


def count_view(reader_id: uuid.UUID, story_id: uuid.UUID) -> None:
    """Count the reader's first view of the story today, and nothing else: for one whose position was refused.

    Whoever has no position yet is not counted; the view belongs to the first one that is stored.
    """
    story = locked_story(story_id, viewer=reader_id).row
    if story is not None:
        _raise_rank(story_id, _count_view(story, reader_id))


def _opened(
    reader_id: uuid.UUID, story_id: uuid.UUID, place: ReadingPlace | None, seen: int | None
) -> tuple[Story, ReadingPlace | None, int | None, int]:
    """The story, the position, at most the end of its chapter, the chapter's length, and the version that the reader has open.

    Locks the story, then the chapter. Raises `NotFound`, `Invalid`.
    """
    opened = locked_story(story_id, viewer=reader_id)
    chapter = None if place is None else _lock_chapter(chapter=place.chapter_id, story=story_id)
    story = opened.row
    if story is None:
        raise NotFound(UNKNOWN_STORY)
    check, length = Checker(), None
    if place is not None and chapter is not None:
        if place.offset < 0:
            check.wrong("place.offset", "must not be negative.", Wrong.TOO_SMALL, 0)
        if chapter.row is None:
            check.wrong("place.chapter", "is not a chapter of this story.")
        else:
            (length,) = chapter.row
            place = replace(place, offset=min(place.offset, length))
    if seen is not None and not 1 <= seen <= story.version:
        check.wrong("seen", "is not a version that this story has had.", Wrong.NOT_HANDED_OUT)
    check.done()
    return story, place, length, story.version if seen is None else seen


LOCKED_CHAPTER = (
    "SELECT length(body) FROM stories_chapter WHERE id = %(chapter)s AND story_id = %(story)s FOR KEY SHARE"
)


@compiled
def _lock_chapter(*, chapter: uuid.UUID, story: uuid.UUID) -> Declared[tuple[int]]:
    return query(LOCKED_CHAPTER, chapter=chapter, story=story)


COUNT = f"""
WITH counted AS (
    INSERT INTO reading_view (story_id, reader_id, day)
    SELECT story_id, reader_id, (statement_timestamp() AT TIME ZONE 'UTC')::date FROM reading_reading
    WHERE story_id = %(story)s AND reader_id = %(reader)s ON CONFLICT DO NOTHING RETURNING story_id
)
{tallies.raising(StoryTally, "SELECT story_id, 'views', %(slot)s, 1 FROM counted")}
"""


def _count_view(story: Story, reader_id: uuid.UUID) -> Result[tuple[int]] | None:
    """Count today's view unless it was counted already, or the reader has no position. The day is UTC, by the database's
    clock. The row is what its slot counts now; None for a story or reader that does not count.
    """
    if story.author_id == reader_id or story.published_at is None:
        return None
    return _count(story=story.pk, reader=reader_id, slot=tallies.some_slot())


@compiled
def _count(*, story: uuid.UUID, reader: uuid.UUID, slot: int) -> Declared[tuple[int]]:
    return query(COUNT, story=story, reader=reader, slot=slot)


def _raise_rank(story_id: uuid.UUID, view: Result[tuple[int]] | None) -> bool:
    """Update the rank after a view, if it was counted; returns whether it was."""
    if view is None or view.row is None:
        return False
    (in_slot,) = view.row
    rank.raised(story_id, in_slot)
    return True
