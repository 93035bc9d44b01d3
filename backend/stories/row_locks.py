"""Row locks on what others hang on: until the unit of work ends it cannot be deleted, though it can be edited.

KEY SHARE waits for a deletion that is under way and keeps the next one waiting, and lets every other UPDATE pass
(PostgreSQL manual, section 13.3.2). A chapter's position is part of a key, so moving the chapter waits as well.
"""

import uuid
from collections.abc import Iterable

from django.db import connection

from backend.stories.models import Story
from backend.stories.queries import BY_IDS

LOCKED_STORY = f"{BY_IDS} FOR KEY SHARE OF story"

LOCKED_STORIES = "SELECT FROM stories_story WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE"

LOCKED_PUBLISHED = """
SELECT author_id FROM stories_story WHERE id = %s AND status_changed = %s AND published_at IS NOT NULL FOR KEY SHARE
"""

LOCKED_CHAPTER = "SELECT 1 FROM stories_chapter WHERE id = %s AND story_id = %s FOR KEY SHARE"


def locked_story(story: uuid.UUID, *, viewer: uuid.UUID) -> Story | None:
    """The story, if the viewer can find it, and still there when the unit of work ends."""
    return next(iter(Story.objects.raw(LOCKED_STORY, {"ids": [story], "viewer": viewer})), None)


def lock_chapter(chapter: uuid.UUID, *, story: uuid.UUID) -> bool:
    """Whether the story has this chapter, and will have it when the unit of work ends. The story is held before."""
    with connection.cursor() as cursor:
        cursor.execute(LOCKED_CHAPTER, [chapter, story])
        return bool(cursor.rowcount)


def lock_stories(stories: Iterable[uuid.UUID]) -> None:
    """Keep these stories from being deleted, as far as they are there."""
    with connection.cursor() as cursor:
        cursor.execute(LOCKED_STORIES, [list(stories)])


def lock_published(story: uuid.UUID, version: int) -> uuid.UUID | None:
    """Whose story it is, held, as long as it is published by the write that made this version; None otherwise."""
    with connection.cursor() as cursor:
        cursor.execute(LOCKED_PUBLISHED, [story, version])
        found = cursor.fetchone()
    return None if found is None else found[0]
