"""Reads of readers' places, and of what stories count."""

import uuid
from collections.abc import Iterable

from backend.reading.models import Reading

OF_READER = "SELECT * FROM reading_reading WHERE story_id = ANY(%s) AND reader_id = %s"


def readings(stories: Iterable[uuid.UUID], *, reader: uuid.UUID) -> dict[uuid.UUID, Reading]:
    """Where the reader stands in each of these stories, in one query; version 0 where they have never been."""
    stories = list(stories)
    found = {reading.story_id: reading for reading in Reading.objects.raw(OF_READER, [stories, reader])}
    return {story: found.get(story) or never(story, reader) for story in stories}


def never(story: uuid.UUID, reader: uuid.UUID) -> Reading:
    """The place of a reader who has never opened the story. It is not stored."""
    return Reading(story_id=story, reader_id=reader, version=0, place_changed=0, updated_at=None)  # type: ignore[misc]
