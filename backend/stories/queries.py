"""Looks up stories by id, as the viewer may see them: published ones, one's own drafts, and none across a block."""

import uuid
from collections.abc import Iterable

from django.db import connection

from backend.stories.models import Chapter, Shelf, Story
from backend.visibility import met


def visible(viewer: str) -> str:
    """SQL: whether the viewer (an expression for a person's id) can find the story. Drafts are visible to their author only."""
    shown = f"story.published_at IS NOT NULL AND {met('story.author_id', viewer)}"
    return f"(story.author_id = {viewer} OR ({shown}))"


VISIBLE = visible("%(viewer)s::uuid")

BY_IDS = f"SELECT story.* FROM stories_story AS story WHERE story.id = ANY(%(ids)s) AND {VISIBLE}"

CHAPTERS_BY_IDS = f"""
SELECT chapter.* FROM stories_chapter AS chapter JOIN stories_story AS story ON story.id = chapter.story_id
WHERE chapter.id = ANY(%(ids)s) AND {VISIBLE}
"""

CHAPTERS = "SELECT * FROM stories_chapter WHERE story_id = ANY(%s) ORDER BY story_id, position"

ORDER = "SELECT id FROM stories_chapter WHERE story_id = %s ORDER BY position"

CHAPTER_COUNTS = "SELECT story_id, count(*) FROM stories_chapter WHERE story_id = ANY(%s) GROUP BY story_id"


def by_ids(ids: Iterable[uuid.UUID], *, viewer: uuid.UUID | None) -> dict[uuid.UUID, Story]:
    """The stories among these ids that the viewer can find, in one query."""
    return {row.id: row for row in Story.objects.raw(BY_IDS, {"ids": list(ids), "viewer": viewer})}


def chapters_by_ids(ids: Iterable[uuid.UUID], *, viewer: uuid.UUID | None) -> dict[uuid.UUID, Chapter]:
    """The chapters among these ids whose story the viewer can find, in one query."""
    return {row.id: row for row in Chapter.objects.raw(CHAPTERS_BY_IDS, {"ids": list(ids), "viewer": viewer})}


def shelves(authors: Iterable[uuid.UUID]) -> dict[uuid.UUID, Shelf]:
    """The shelves of these authors, in one query."""
    return Shelf.objects.in_bulk(list(authors))


def chapters(stories: Iterable[uuid.UUID]) -> dict[uuid.UUID, list[Chapter]]:
    """The chapters of each of these stories, in order, in one query."""
    by_story: dict[uuid.UUID, list[Chapter]] = {story: [] for story in stories}
    for chapter in Chapter.objects.raw(CHAPTERS, [list(by_story)]):
        by_story[chapter.story_id].append(chapter)
    return by_story


def order_of(story: uuid.UUID) -> list[uuid.UUID]:
    """The ids of a story's chapters, in order, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(ORDER, [story])
        return [id_ for (id_,) in cursor.fetchall()]


def chapter_counts(stories: Iterable[uuid.UUID]) -> dict[uuid.UUID, int]:
    """How many chapters each of these stories has, in one query."""
    stories = list(stories)
    with connection.cursor() as cursor:
        cursor.execute(CHAPTER_COUNTS, [stories])
        counts = dict(cursor.fetchall())
    return {story: counts.get(story, 0) for story in stories}
