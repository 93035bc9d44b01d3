"""Queries for readers' positions and for chapters that changed since."""

import uuid
from collections.abc import Collection, Iterable

from backend.pages import Page, Window
from backend.reading.models import Reading
from backend.stories.models import Chapter
from backend.stories.queries import VISIBLE, by_ids, visible

OF_READER = "SELECT * FROM reading_reading WHERE story_id = ANY(%s) AND reader_id = %s"

OF_READER_LATELY = f"""
SELECT reading.*, reading.updated_at AS place_at
FROM reading_reading AS reading JOIN stories_story AS story ON story.id = reading.story_id
WHERE reading.reader_id = %s
  AND {visible("reading.reader_id")}{{between}} {{order}}
"""

CHANGED_CHAPTERS = f"""
SELECT seen.id AS reading_id, chapter.*
FROM unnest(%(ids)s::uuid[], %(stories)s::uuid[], %(versions)s::bigint[]) AS seen (id, story_id, story_version)
JOIN stories_story AS story ON story.id = seen.story_id
JOIN stories_chapter AS chapter ON chapter.story_id = story.id AND chapter.story_version > seen.story_version
WHERE {VISIBLE}
ORDER BY chapter.story_id, chapter.position
"""


def readings(stories: Iterable[uuid.UUID], *, reader: uuid.UUID) -> dict[uuid.UUID, Reading]:
    """The reader's position in each of these stories, in one query; version 0 for stories never opened."""
    stories = list(stories)
    found = {reading.story_id: reading for reading in Reading.objects.raw(OF_READER, [stories, reader])}
    return {story: found.get(story) or never(story, reader) for story in stories}


def of_reader(reader: uuid.UUID, window: Window) -> Page[Reading]:
    """The reader's positions in the stories that they can still find, most recently moved first."""
    between, places = window.condition("reading.updated_at", "reading.id")
    sql = OF_READER_LATELY.format(between=between, order=window.order("reading.updated_at", "reading.id"))
    return Page.of(Reading.objects.raw(sql, [reader, *places]), window)


def changed_chapters(readings: Collection[Reading], *, viewer: uuid.UUID | None) -> dict[uuid.UUID, list[Chapter]]:
    """For each reading the chapters whose title or text was written after it, in order, in one query.

    Empty for a story that was never opened, or that the viewer cannot find.
    """
    been = [reading for reading in readings if reading.version]
    columns = {
        "ids": [reading.pk for reading in been],
        "stories": [reading.story_id for reading in been],
        "versions": [reading.story_version for reading in been],
    }
    found: dict[uuid.UUID, list[Chapter]] = {reading.pk: [] for reading in readings}
    for chapter in Chapter.objects.raw(CHANGED_CHAPTERS, {**columns, "viewer": viewer}):
        found[chapter.reading_id].append(chapter)  # type: ignore[attr-defined]
    return found


def never(story: uuid.UUID, reader: uuid.UUID) -> Reading:
    """The position of a reader who has never opened the story; it is not stored."""
    return Reading(story_id=story, reader_id=reader, story_version=0, version=0, place_changed=0, updated_at=None)  # type: ignore[misc]


def _is_there(reading: Reading, reader: uuid.UUID) -> bool:
    return bool(by_ids([reading.story_id], viewer=reader))


STILL_THERE = {Reading: _is_there}
"""A position goes with its story, and is hidden with it."""
