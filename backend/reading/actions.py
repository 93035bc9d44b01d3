"""Recording a view: the reader's place, the view of the day, and the story's total, together or not at all."""

import uuid
from dataclasses import dataclass

from django.db import connection
from django.db.models import Q

from backend.engine import tallies
from backend.engine.errors import Conflict, FieldConflict, Invalid, NotFound
from backend.engine.idempotency import Applied
from backend.engine.versions import Expected, conflict, is_unchanged, stamped, unchanged, write
from backend.reading.models import Reading
from backend.reading.queries import never
from backend.stories.actions import UNKNOWN_STORY
from backend.stories.models import Chapter, Story, StoryTally
from backend.stories.queries import by_ids

MOST_OFFSET = 2**31 - 1


@dataclass(frozen=True)
class Place:
    """A place in a story: a chapter, and how many characters into its body."""

    chapter_id: uuid.UUID
    offset: int


def record_view(
    reader_id: uuid.UUID, story_id: uuid.UUID, place: Place | None, seen: Expected
) -> tuple[Reading, bool, Applied]:
    """Remember the place, if it is still as it was at `seen`, and count the reader's first view of the story today.

    Returns the reading, whether a view was counted, and what was done. Raises `Conflict`, with the place that another
    device recorded, `NotFound` and `Invalid`.
    """
    story = by_ids([story_id], viewer=reader_id).get(story_id)
    if story is None:
        raise NotFound(UNKNOWN_STORY)
    values = _checked_place(story, place)
    written = _insert(story_id, reader_id, values) if seen.version == 0 else None
    written = written or _update(story_id, reader_id, values, seen)
    reading = written or _explain(story_id, reader_id, values, seen)
    counted = story.author_id != reader_id and story.published_at is not None and _count(story_id, reader_id)
    return reading, counted, Applied.WRITTEN if written or counted else Applied.NOOP


def _checked_place(story: Story, place: Place | None) -> dict[str, object]:
    if place is None:
        return {}
    if not 0 <= place.offset <= MOST_OFFSET:
        raise Invalid.one("place.offset", "must not be negative.")
    if not Chapter.objects.filter(pk=place.chapter_id, story_id=story.pk).exists():
        raise Invalid.one("place.chapter", "is not a chapter of this story.")
    return {"chapter_id": place.chapter_id, "offset": place.offset}


INSERT = """
INSERT INTO reading_reading (id, story_id, reader_id, chapter_id, "offset", version, place_changed)
VALUES (%s, %s, %s, %s, %s, 1, 1) ON CONFLICT (story_id, reader_id) DO NOTHING RETURNING *
"""


def _insert(story_id: uuid.UUID, reader_id: uuid.UUID, values: dict[str, object]) -> Reading | None:
    """The first place; None if another device has been first."""
    new = never(story_id, reader_id)
    parameters = [new.id, story_id, reader_id, values.get("chapter_id"), values.get("offset", 0)]
    return next(iter(Reading.objects.raw(INSERT, parameters)), None)


def _update(story_id: uuid.UUID, reader_id: uuid.UUID, values: dict[str, object], seen: Expected) -> Reading | None:
    """The next place; None if it changed since `seen`, or is already there."""
    if not values:
        return None
    rows = write(
        Reading.objects.filter(
            ~Q(chapter_id=values["chapter_id"], offset=values["offset"]),
            story_id=story_id,
            reader_id=reader_id,
            **unchanged(Reading, seen, ["place"]),
        ),
        **values,
        **stamped(Reading, ["place"]),
    )
    return rows[0] if rows else None


def _explain(story_id: uuid.UUID, reader_id: uuid.UUID, values: dict[str, object], seen: Expected) -> Reading:
    """Why nothing was written: raises `Conflict`; else the reader is already there."""
    found = Reading.objects.filter(story_id=story_id, reader_id=reader_id).first()
    reading = found or never(story_id, reader_id)
    if not is_unchanged(reading, seen, ["place"]):
        raise _conflict(reading, values, seen)
    return reading


def _conflict(reading: Reading, values: dict[str, object], seen: Expected) -> Conflict:
    base = {"chapter_id": None, "offset": 0} if seen.version == 0 else {}
    overlaps = [
        FieldConflict(path, base=base.get(name), mine=values[name], theirs=getattr(reading, name))
        for name, path in (("chapter_id", "chapter"), ("offset", "offset"))
        if name in values
    ]
    return conflict(reading, seen=seen, thing=("reading", reading.story_id, reading.reader_id), overlaps=overlaps)


COUNT = """
INSERT INTO reading_view (story_id, reader_id, day)
VALUES (%s, %s, (statement_timestamp() AT TIME ZONE 'UTC')::date) ON CONFLICT DO NOTHING
"""


def _count(story_id: uuid.UUID, reader_id: uuid.UUID) -> bool:
    """Count today's view, unless it has been; the day is UTC, by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [story_id, reader_id])
        if not cursor.rowcount:
            return False
    tallies.add(StoryTally, [(story_id, "views", 1)])
    return True
