"""Finds the subject of a report, as its reporter may see it, and locks it against deletion."""

import uuid

from backend.engine.errors import NotFound
from backend.people import queries as people
from backend.people.models import Person
from backend.sources import read
from backend.stories import queries as stories
from backend.stories.models import Chapter
from backend.stories.row_locks import lock_chapter, locked_story
from backend.whispers import queries as whispers
from backend.whispers.models import Whisper


def locked_subject(kind: str, subject_id: uuid.UUID, *, viewer: uuid.UUID) -> uuid.UUID:
    """Lock the subject and return its author. Raises `NotFound` if it does not exist or the viewer may not see it, with the
    same message.

    The subject cannot be deleted until the unit of work ends. If its author leaves meanwhile, the report is refused at its
    commit.
    """
    owner = BY_KIND[kind](subject_id, viewer)
    if owner is None:
        raise NotFound(f"There is no such {kind}.")
    return owner


def _whisper(whisper_id: uuid.UUID, viewer: uuid.UUID) -> uuid.UUID | None:
    whisper = read(Whisper, whispers.BY_ID, key=whisper_id, viewer=viewer, lock="FOR KEY SHARE OF whisper")
    return None if whisper is None else whisper.author_id


def _story(story_id: uuid.UUID, viewer: uuid.UUID) -> uuid.UUID | None:
    story = locked_story(story_id, viewer=viewer)
    return None if story is None else story.author_id


def _chapter(chapter_id: uuid.UUID, viewer: uuid.UUID) -> uuid.UUID | None:
    chapter = read(Chapter, stories.CHAPTER_BY_ID, key=chapter_id, viewer=viewer)
    if chapter is None:
        return None
    owner = _story(chapter.story_id, viewer)
    return owner if owner is not None and lock_chapter(chapter_id, story=chapter.story_id) else None


def _person(person_id: uuid.UUID, viewer: uuid.UUID) -> uuid.UUID | None:
    return None if read(Person, people.BY_ID, key=person_id, viewer=viewer) is None else person_id


BY_KIND = {"whisper": _whisper, "story": _story, "chapter": _chapter, "person": _person}
