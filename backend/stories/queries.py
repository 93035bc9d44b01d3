"""Reads of stories. `viewer` is the id of who asks, or None; a draft is its author's alone, a block hides both ways."""

import uuid
from collections.abc import Iterable, Sequence

from django.db import connection

from backend.pages import Page, Window, pages_by_owner
from backend.social.visibility import apart
from backend.stories.models import Chapter, Shelf, Story

VISIBLE = f"""
(story.author_id = %(viewer)s::uuid OR (story.published_at IS NOT NULL AND NOT {apart("story.author_id", "%(viewer)s::uuid")}))
"""

BY_IDS = f"SELECT story.* FROM stories_story AS story WHERE story.id = ANY(%(ids)s) AND {VISIBLE}"

CHAPTERS_BY_IDS = f"""
SELECT chapter.* FROM stories_chapter AS chapter JOIN stories_story AS story ON story.id = chapter.story_id
WHERE chapter.id = ANY(%(ids)s) AND {VISIBLE}
"""

PUBLISHED = """
SELECT story.*, story.published_at AS place_at FROM stories_story AS story
WHERE story.published_at IS NOT NULL AND NOT {hidden}{between} {order}
"""

FEED = """
SELECT story.*, story.published_at AS place_at
FROM follow CROSS JOIN LATERAL (
    SELECT * FROM stories_story AS story
    WHERE story.author_id = follow.followee_id AND story.published_at IS NOT NULL{between} {order}
) AS story
WHERE follow.follower_id = %s {order}
"""

BY_AUTHORS = """
SELECT owner.id AS owner_id, story.*, story.published_at AS place_at
FROM unnest(%s::uuid[]) AS owner (id) CROSS JOIN LATERAL (
    SELECT * FROM stories_story AS story
    WHERE story.author_id = owner.id AND story.published_at IS NOT NULL{between} {order}
) AS story
WHERE NOT {hidden}
ORDER BY owner.id, story.published_at {direction}, story.id {direction}
"""

ON_SHELF = """
SELECT story.*, story.created_at AS place_at FROM stories_story AS story
WHERE story.author_id = %s{between} {order}
"""


CHAPTERS = "SELECT * FROM stories_chapter WHERE story_id = ANY(%s) ORDER BY story_id, position"

CHAPTER_COUNTS = "SELECT story_id, count(*) FROM stories_chapter WHERE story_id = ANY(%s) GROUP BY story_id"


def by_ids(ids: Iterable[uuid.UUID], *, viewer: uuid.UUID | None) -> dict[uuid.UUID, Story]:
    """Those of these stories that the viewer can find, in one query."""
    return {row.id: row for row in Story.objects.raw(BY_IDS, {"ids": list(ids), "viewer": viewer})}


def chapters_by_ids(ids: Iterable[uuid.UUID], *, viewer: uuid.UUID | None) -> dict[uuid.UUID, Chapter]:
    """Those of these chapters whose story the viewer can find, in one query."""
    return {row.id: row for row in Chapter.objects.raw(CHAPTERS_BY_IDS, {"ids": list(ids), "viewer": viewer})}


def shelves(authors: Iterable[uuid.UUID]) -> dict[uuid.UUID, Shelf]:
    """The shelves of these authors, in one query."""
    return Shelf.objects.in_bulk(list(authors))


def published(window: Window, *, viewer: uuid.UUID | None) -> Page[Story]:
    """Published stories, newest first."""
    between, places = window.condition("story.published_at", "story.id")
    order = window.order("story.published_at", "story.id")
    sql = PUBLISHED.format(hidden=apart("story.author_id", "%s::uuid"), between=between, order=order)
    return Page.of(Story.objects.raw(sql, [viewer, viewer, *places]), window)


def feed(window: Window, *, viewer: uuid.UUID) -> Page[Story]:
    """Published stories of the people whom the viewer follows, newest first. No follow crosses a block, so none is hidden.

    Each followed author gives at most a page, straight from the index, and the newest of those are the page.
    """
    between, places = window.condition("story.published_at", "story.id")
    sql = FEED.format(between=between, order=window.order("story.published_at", "story.id"))
    return Page.of(Story.objects.raw(sql, [*places, viewer]), window)


def by_authors(
    authors: Sequence[uuid.UUID], window: Window, *, viewer: uuid.UUID | None
) -> dict[uuid.UUID, Page[Story]]:
    """A page of published stories for each author, newest first, in one query."""
    between, places = window.condition("story.published_at", "story.id")
    sql = BY_AUTHORS.format(
        between=between,
        order=window.order("story.published_at", "story.id"),
        hidden=apart("owner.id", "%s::uuid"),
        direction="ASC" if window.backward else "DESC",
    )
    return pages_by_owner(Story.objects.raw(sql, [list(authors), *places, viewer, viewer]), authors, window)


def on_shelf(author: uuid.UUID, window: Window) -> Page[Story]:
    """All stories of an author, drafts included, newest first: for the author alone."""
    between, places = window.condition("story.created_at", "story.id")
    sql = ON_SHELF.format(between=between, order=window.order("story.created_at", "story.id"))
    return Page.of(Story.objects.raw(sql, [author, *places]), window)


def chapters(stories: Iterable[uuid.UUID]) -> dict[uuid.UUID, list[Chapter]]:
    """The chapters of each of these stories, in order, in one query."""
    by_story: dict[uuid.UUID, list[Chapter]] = {story: [] for story in stories}
    for chapter in Chapter.objects.raw(CHAPTERS, [list(by_story)]):
        by_story[chapter.story_id].append(chapter)
    return by_story


def chapter_counts(stories: Iterable[uuid.UUID]) -> dict[uuid.UUID, int]:
    """How many chapters each of these stories has, in one query."""
    stories = list(stories)
    with connection.cursor() as cursor:
        cursor.execute(CHAPTER_COUNTS, [stories])
        counts = dict(cursor.fetchall())
    return {story: counts.get(story, 0) for story in stories}
