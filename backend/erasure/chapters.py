"""Deletes a chapter together with other nouns' rows about it."""

import uuid

from backend.engine.versions import Expected
from backend.nouns import collect
from backend.stories import chapters
from backend.stories.models import Story


def delete_chapter(chapter_id: uuid.UUID, author_id: uuid.UUID, seen: Expected) -> Story:
    """Delete the chapter if its title and text have not changed since `seen`; later chapters move up.

    Readers who were in it move to the start of the next chapter, or to the end of the last. Reports of it are resolved.
    Raises `Conflict`, `NotFound`, `Forbidden`.
    """
    story, chapter, remaining = chapters.delete_chapter(chapter_id, author_id, seen)
    for chapter_deleted in collect("erasure", "chapter_deleted"):
        chapter_deleted(chapter, remaining)
    return story
