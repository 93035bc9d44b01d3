"""Queries for readers' positions and for chapters that changed since."""

import uuid

from backend.engine.declarations import query
from backend.engine.errors import NotFound
from backend.engine.statements import Declared, compiled
from backend.people.queries import IS_VIEWER
from backend.reading.models import Reading
from backend.sources import Page as Sourced
from backend.sources import Row, Rows, Value, read
from backend.stories.explain import UNKNOWN_STORY
from backend.stories.models import Story
from backend.stories.queries import BY_ID as STORY_BY_ID
from backend.stories.queries import visible


def never(story: uuid.UUID, reader: uuid.UUID) -> Reading:
    """The position of a reader who has never opened the story; it is not stored."""
    return Reading(story_id=story, reader_id=reader, story_version=0, version=0, place_changed=0, updated_at=None)  # type: ignore[misc]


def _is_there(reading: Reading, reader: uuid.UUID) -> bool:
    return read(Story, STORY_BY_ID, key=reading.story_id, viewer=reader).row is not None


@compiled
def found_stories(*, stories: list[uuid.UUID], reader: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    """Those of these stories that the reader can find."""
    sql = f"SELECT story.id FROM stories_story AS story WHERE story.id = ANY(%(stories)s) AND {visible('%(reader)s')}"
    return query(sql, stories=stories, reader=reader)


STILL_THERE = {Reading: _is_there}
"""A position goes with its story, and is hidden with it."""


# --- Sources ----------------------------------------------------------------------------------------------------


def _place(story: str, published_at: str, created_at: str) -> str:
    """SQL: the viewer's position in a story, version 0 if they have never opened it."""
    return f"""
SELECT reading.id, me.id AS reader_id, {story} AS story_id, reading.chapter_id, coalesce(reading."offset", 0) AS "offset",
    coalesce(reading.story_version, 0) AS story_version, coalesce(reading.version, 0) AS version,
    coalesce(reading.updated_at, {published_at}, {created_at}) AS updated_at
FROM (SELECT $viewer AS id) AS me LEFT JOIN reading_reading AS reading
    ON reading.story_id = {story} AND reading.reader_id = me.id
WHERE me.id IS NOT NULL"""


OF_STORY = Row(_place("$row.id", "$row.published_at", "$row.created_at"), inverse="story", is_local=True)

BY_STORY = Row(
    f"SELECT place.* FROM stories_story AS story CROSS JOIN LATERAL ("
    f"{_place('story.id', 'story.published_at', 'story.created_at')}) AS place "
    f"WHERE story.id = $key::uuid AND $owner::uuid = $viewer AND {visible('$viewer')}",
    type="Reading",
)

OF_PERSON = Sourced(
    "SELECT reading.*, reading.updated_at AS place_at "
    "FROM reading_reading AS reading JOIN stories_story AS story ON story.id = reading.story_id "
    f"WHERE reading.reader_id = $viewer AND {visible('$viewer')}$between $order",
    "reading.updated_at",
    "reading.id",
    when=IS_VIEWER,
)
"""The viewer's positions in the stories that they can still find, most recently moved first; private."""

STORY = Row(
    f"SELECT story.* FROM stories_story AS story WHERE story.id = $row.story_id AND {visible('$viewer')}",
    missing=lambda: NotFound(UNKNOWN_STORY),
)

UPDATED_AT = Value(
    "coalesce($row.updated_at, (SELECT coalesce(story.published_at, story.created_at) FROM stories_story AS story "
    "WHERE story.id = $row.story_id))"
)
"""When the place last changed; of a story that was never opened, when it became readable."""

_READ = f"""
SELECT chapter.* FROM stories_chapter AS chapter JOIN stories_story AS story ON story.id = chapter.story_id
WHERE {visible("$viewer")}"""

CHAPTER = Row(f"{_READ} AND chapter.id = $row.chapter_id")

OFFSET = Value(
    f"""least($row."offset", (SELECT length(chapter.body) FROM ({_READ} AND chapter.id = $row.chapter_id) AS chapter))""",
    is_local=False,
)
"""Characters into the chapter's body; its end, if it was shortened since."""

AS_STORED = {"offset": Value('$row."offset"')}
"""The sources of a position that is known to be within its chapter."""

CHANGED = Rows(
    f"{_READ} AND story.id = $row.story_id AND chapter.story_version > $row.story_version AND $row.version > 0 "
    "ORDER BY chapter.position",
    is_local=False,
)
"""The chapters that changed since the reader last opened the story; none of a story that was never opened."""
