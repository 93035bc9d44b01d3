"""Deletes a chapter together with other nouns' rows about it, and restores it with those that come back."""

import uuid
from typing import Any

from backend.engine.idempotency import Outcome
from backend.engine.versions import Expected
from backend.nouns import collect
from backend.stories import chapters, restore
from backend.stories.models import Revision, Story
from backend.stories.point_in_time import UNWANTED, Moments


def delete_chapter(chapter_id: uuid.UUID, author_id: uuid.UUID, seen: Expected) -> Story:
    """Delete the chapter if its title and text have not changed since `seen`; later chapters move up.

    Readers who were in it move to the start of the next chapter, or to the end of the last. Reports of it are resolved.
    Raises `Conflict`, `NotFound`, `Forbidden`.
    """
    story, chapter, remaining = chapters.delete_chapter(chapter_id, author_id, seen)
    for chapter_deleted in collect("erasure", "chapter_deleted"):
        chapter_deleted(chapter, remaining)
    return story


def restore_revision(revision: Revision, author_id: uuid.UUID, seen: Expected, moments: Moments = UNWANTED) -> Outcome:
    """`stories.restore.restore_revision`. If that brings a chapter back, its reports come back too."""
    outcome = restore.restore_revision(revision, author_id, seen, moments)
    chapter: Any = outcome.rows.get("chapter")
    if chapter is not None and revision.chapter_id is None:
        for chapter_restored in collect("erasure", "chapter_restored"):
            chapter_restored(chapter)
    return outcome
