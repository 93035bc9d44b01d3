"""Finds the subject of a report, as its reporter may see it, and locks it against deletion."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from typing import Any, NamedTuple

from django.db.models import Model

from backend.engine.declarations import query
from backend.engine.errors import NotFound
from backend.engine.statements import Declared, Result, compiled
from backend.people import queries as people
from backend.people.models import Person
from backend.stories import queries as stories
from backend.stories.models import Story
from backend.stories.rights import right_of
from backend.whispers import queries as whispers
from backend.whispers.models import Whisper


class Found(NamedTuple):
    """How a kind of subject is found and locked: a SELECT of `$key` for `$viewer`, and what it selects."""

    model: type[Model]
    sql: str


OF_CHAPTER = f"""
SELECT story.* FROM stories_story AS story
WHERE story.id = (SELECT story_id FROM stories_chapter WHERE id = $key) AND {stories.VISIBLE}
"""

BY_KIND: Mapping[str, Found] = {
    "whisper": Found(Whisper, f"{whispers.BY_ID.sql} FOR KEY SHARE OF whisper"),
    "story": Found(Story, f"{stories.BY_ID.sql} FOR KEY SHARE OF story"),
    "chapter": Found(Story, f"{OF_CHAPTER} FOR KEY SHARE OF story"),
    "person": Found(Person, people.BY_ID.sql),
}
"""Of a chapter its story, which is locked first."""

CHAPTER = "SELECT FROM stories_chapter WHERE id = %(chapter)s FOR KEY SHARE"


@dataclass(frozen=True)
class Held:
    """The subject of a report, which is locked with the next statement whose result is needed.

    It cannot be deleted then until the unit of work ends. If its author leaves meanwhile, the report is refused at its commit.
    """

    kind: str
    found: Result[Any]
    """The row that says whose it is."""
    chapter: Result[Any] | None

    @classmethod
    def of(cls, kind: str, subject_id: uuid.UUID, *, viewer: uuid.UUID) -> "Held":
        """Lock a subject, as far as the viewer can see it."""
        found = _hold(kind, subject=subject_id, viewer=viewer)
        return cls(kind, found, _hold_chapter(chapter=subject_id) if kind == "chapter" else None)

    def owner(self) -> uuid.UUID:
        """Its author. Raises `NotFound` if it does not exist or the viewer may not see it, with the same message."""
        row = self.found.row
        if row is None or (self.chapter is not None and not self.chapter.count):
            raise NotFound(f"There is no such {self.kind}.")
        owner: uuid.UUID = row.pk if self.kind == "person" else row.author_id
        return owner

    def is_of(self, person: uuid.UUID) -> bool:
        """Whether it is this person, or they have written it. Raises what `owner` raises."""
        owner, row = self.owner(), self.found.row
        return owner == person or (isinstance(row, Story) and right_of(person, row) is not None)


@compiled
def _hold(kind: str, *, subject: uuid.UUID, viewer: uuid.UUID) -> Declared[Any]:
    text = Template(BY_KIND[kind].sql).substitute(key="%(subject)s", viewer="%(viewer)s")
    return query(text, BY_KIND[kind].model, subject=subject, viewer=viewer)


@compiled
def _hold_chapter(*, chapter: uuid.UUID) -> Declared[Any]:
    return query(CHAPTER, chapter=chapter)
