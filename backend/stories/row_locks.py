"""Row locks that keep a story or chapter from being deleted, but not from being edited, until the unit of work ends.

KEY SHARE conflicts with a DELETE but not with an ordinary UPDATE (PostgreSQL manual, section 13.3.2). A chapter's position is
part of a unique key, so moving the chapter waits too.
"""

import uuid
from collections.abc import Iterable

from django.db import connection

from backend.sources import read
from backend.stories.models import Story
from backend.stories.queries import BY_ID

LOCKED_STORIES = "SELECT FROM stories_story WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE"

LOCKED_PUBLISHED = """
SELECT author_id FROM stories_story WHERE id = %s AND status_changed = %s AND published_at IS NOT NULL FOR KEY SHARE
"""

LOCKED_CHAPTER = "SELECT 1 FROM stories_chapter WHERE id = %s AND story_id = %s FOR KEY SHARE"

LOCKED_LENGTH = "SELECT length(body) FROM stories_chapter WHERE id = %s AND story_id = %s FOR KEY SHARE"


def locked_story(story: uuid.UUID, *, viewer: uuid.UUID) -> Story | None:
    """Lock and return the story, if the viewer can find it."""
    return read(Story, BY_ID, key=story, viewer=viewer, lock="FOR KEY SHARE OF story")


def lock_chapter(chapter: uuid.UUID, *, story: uuid.UUID) -> bool:
    """Lock the chapter; returns whether the story has it. The story must be locked before."""
    with connection.cursor() as cursor:
        cursor.execute(LOCKED_CHAPTER, [chapter, story])
        return bool(cursor.rowcount)


def locked_length(chapter: uuid.UUID, *, story: uuid.UUID) -> int | None:
    """As `lock_chapter`; returns the characters of its body, or None if the story does not have it."""
    with connection.cursor() as cursor:
        cursor.execute(LOCKED_LENGTH, [chapter, story])
        found = cursor.fetchone()
    return None if found is None else found[0]


def lock_stories(stories: Iterable[uuid.UUID]) -> None:
    """Lock those of these stories that exist."""
    with connection.cursor() as cursor:
        cursor.execute(LOCKED_STORIES, [list(stories)])


def lock_published(story: uuid.UUID, version: int) -> uuid.UUID | None:
    """Lock the story and return its author, if it is still published by the write that made this version; else None."""
    with connection.cursor() as cursor:
        cursor.execute(LOCKED_PUBLISHED, [story, version])
        found = cursor.fetchone()
    return None if found is None else found[0]
