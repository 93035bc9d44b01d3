"""Writes a reader's position by one conditioned write."""

import uuid
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce, Greatest, Length
from django.utils.functional import cached_property

from backend.engine.declarations import insert, select, update
from backend.engine.errors import Conflict, FieldConflict
from backend.engine.ids import uuid7
from backend.engine.statements import Declared, Parameter, Result, Values, compiled
from backend.engine.versions import Expected, conflict, is_unchanged, stamped, unchanged
from backend.reading.models import Reading
from backend.reading.queries import never
from backend.stories.models import Chapter, Story
from backend.stories.rights import Right, may

FIELDS = {field.attname: field for field in Reading._meta.concrete_fields}


@dataclass(frozen=True)
class ReadingPlace:
    """A position in a story: a chapter and an offset in characters into its body."""

    chapter_id: uuid.UUID
    offset: int


BOUND: Mapping[str, type] = {"story_id": uuid.UUID, "reader_id": uuid.UUID, "opened": int, "found": int}
"""The fields of a visit that are bound as they are, with their types."""


@dataclass(frozen=True)
class Visit:
    """A reader, a story, and the new position, within its chapter; without one the position stays. Bound to a declaration, each
    is a parameter.
    """

    story_id: uuid.UUID
    reader_id: uuid.UUID
    opened: int | None
    """The version of the story that the reader has open; None for the present one."""
    found: int
    """The version of the story when it was looked at."""
    place: ReadingPlace | None

    @cached_property
    def values(self) -> Values:
        """The columns that the position sets."""
        place = self.place
        return Values(Reading, {} if place is None else {"chapter_id": place.chapter_id, "offset": place.offset})

    @property
    def shape(self) -> Hashable:
        """What a statement of this visit looks like: whether it sets a position."""
        return self.values.shape

    def placeholder(self, name: str) -> Any:
        """What a declaration gets in its place."""
        bound = {one: Parameter.of(f"{name}.{one}", type_) for one, type_ in BOUND.items()}
        return SimpleNamespace(**bound, values=self.values.placeholder(name))

    def bound(self, name: str) -> Mapping[str, Any]:
        """The values of those parameters."""
        return {**{f"{name}.{one}": getattr(self, one) for one in BOUND}, **self.values.bound(name)}


Tries = Sequence[Result[Reading]]
"""Statements that were sent after each other, of which at most one writes the row."""


def written_by(tries: Tries) -> Reading | None:
    """The row that one of these wrote; None if none did."""
    return next((one.row for one in tries if one.row is not None), None)


def move(visit: Visit, seen: Expected) -> Tries:
    """Store the visit's position if the row has not changed since `seen`. Nothing is written if nothing would change.

    Whoever has seen that there is none makes the first one: any that is there has changed since.
    """
    return [_insert(False, id=uuid7(), visit=visit) if seen.version == 0 else _move(visit=visit, seen=seen)]


@compiled
def _insert(lock: bool, *, id: uuid.UUID, visit: Visit) -> Declared[Reading]:
    key, story, reader = ["story", "reader"], visit.story_id, visit.reader_id
    version = _version(visit)
    return insert(Reading, key, lock=lock, id=id, story=story, reader=reader, story_version=version, **visit.values)


@compiled
def _move(*, visit: Visit, seen: Expected) -> Declared[Reading]:
    news = Q(story_version__lt=_version(visit)) | ~Q(**visit.values)
    return update(_of(visit).filter(news, unchanged(Reading, seen, ["place"])), **visit.values, **_seen(visit))


def advance(visit: Visit) -> Tries:
    """Store the visit's position if it is further. Nothing is written if it is not and the story's version was seen already.

    An existing row is locked first. Without that, an UPDATE that waits for a concurrent one compares with the new position,
    but still sees the chapters as they were when the statement began: in an order that may have changed, or without the new
    position's chapter.
    """
    return _insert(True, id=uuid7(), visit=visit), _advance(visit=visit)


@compiled
def _advance(*, visit: Visit) -> Declared[Reading]:
    news, moved = Q(story_version__lt=_version(visit)), {}
    if visit.values:
        further = _further(**visit.values)
        news |= further
        moved = {
            name: Case(When(further, then=value), default=F(name), output_field=FIELDS[name])
            for name, value in visit.values.items()
        }
    return update(_of(visit).filter(news), **moved, **_seen(visit))


def _further(chapter_id: uuid.UUID, offset: int) -> Q:
    """Filter: the stored position is before this one, by the chapter's number and then the offset; or there is none yet."""
    position = Subquery(Chapter.objects.filter(pk=chapter_id).values("position"))
    behind = Exists(Chapter.objects.filter(pk=OuterRef("chapter_id"), position__lt=position))
    return Q(chapter_id=None) | Q(chapter_id=chapter_id, offset__lt=offset) | Q(behind)


def _of(visit: Visit) -> "QuerySet[Reading]":
    """The row of its reader and story."""
    return Reading.objects.filter(story_id=visit.story_id, reader_id=visit.reader_id)


def _version(visit: Visit) -> Coalesce:
    """The version of the story that the reader has open, or the present one.

    That is the one of now, after any wait for the chapter; if the reader finds it no more, the one that was found.
    """
    is_visible = Q(published_at__isnull=False) | may(visit.reader_id, Right.WRITE)
    present_story = Story.objects.filter(is_visible, pk=visit.story_id)
    return Coalesce(visit.opened, Subquery(present_story.values("version")), visit.found)


def _seen(visit: Visit) -> Mapping[str, Any]:
    """What each write sets. The seen version of the story never falls."""
    version = Greatest(F("story_version"), _version(visit))
    return {"story_version": version, **stamped(Reading, ["place"])}


def present(visit: Visit, seen: Expected) -> Reading:
    """The present row after a write that changed nothing. Raises `Conflict` if it changed since `seen`."""
    found: Any = asked(visit).row
    if found is not None:
        found.chapter_length = found.length
    reading: Reading = found or never(visit.story_id, visit.reader_id)
    if not is_unchanged(reading, seen, ["place"]):
        raise _conflict(reading, visit, seen)
    return reading


def asked(visit: Visit) -> Result[Reading]:
    """The present row, if it is looked at after the writes that were sent before."""
    return _present(visit=visit)


@compiled
def _present(*, visit: Visit) -> Declared[Reading]:
    return select(_of(visit).annotate(length=Length("chapter__body")))


def _conflict(reading: Reading, visit: Visit, seen: Expected) -> Conflict:
    base = {"chapter_id": None, "offset": 0} if seen.version == 0 else {}
    theirs = {"chapter_id": reading.chapter_id, "offset": reading.offset_within(reading.chapter_length or 0)}
    overlaps = [
        FieldConflict(path, base=base.get(name), mine=visit.values[name], theirs=theirs[name])
        for name, path in (("chapter_id", "chapter"), ("offset", "offset"))
        if name in visit.values
    ]
    return conflict(reading, seen=seen, thing=("reading", reading.reader_id, reading.story_id), overlaps=overlaps)
