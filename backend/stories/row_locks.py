"""Row locks that keep a story from being deleted, but not from being edited, until the unit of work ends.

KEY SHARE conflicts with a DELETE but not with an ordinary UPDATE (PostgreSQL manual, section 13.3.2). Where a chapter is locked
so, whoever moves it waits too: its position is part of a unique key.
"""

import uuid
from collections.abc import Iterable

from backend.engine.declarations import query
from backend.engine.statements import Declared, Result, compiled
from backend.sources import read
from backend.stories.models import Story
from backend.stories.queries import BY_ID


def locked_story(story: uuid.UUID, *, viewer: uuid.UUID) -> Result[Story]:
    """Lock the story, which is the row, if the viewer can find it."""
    return read(Story, BY_ID, key=story, viewer=viewer, lock="FOR KEY SHARE OF story")


def lock_stories(stories: Iterable[uuid.UUID]) -> None:
    """Lock those of these stories that exist."""
    _lock_stories(stories=list(stories))


@compiled
def _lock_stories(*, stories: list[uuid.UUID]) -> Declared[tuple[()]]:
    return query("SELECT FROM stories_story WHERE id = ANY(%(stories)s) ORDER BY id FOR KEY SHARE", stories=stories)


def lock_published(story: uuid.UUID, version: int) -> uuid.UUID | None:
    """Lock the story and return its author, if it is still published by the write that made this version; else None."""
    found = _lock_published(story=story, version=version).row
    return None if found is None else found[0]


@compiled
def _lock_published(*, story: uuid.UUID, version: int) -> Declared[tuple[uuid.UUID]]:
    return query(
        "SELECT author_id FROM stories_story "
        "WHERE id = %(story)s AND status_changed = %(version)s AND published_at IS NOT NULL FOR KEY SHARE",
        story=story,
        version=version,
    )
