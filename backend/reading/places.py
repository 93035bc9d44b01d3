"""Writes a reader's position by one conditioned write."""

import uuid
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Exists, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Greatest, Length

from backend.engine.errors import Conflict, FieldConflict
from backend.engine.versions import Expected, conflict, first_row, is_unchanged, stamped, unchanged, write
from backend.reading.models import Reading
from backend.reading.queries import never
from backend.stories.models import Chapter

FIELDS = {field.attname: field for field in Reading._meta.concrete_fields}


@dataclass(frozen=True)
class ReadingPlace:
    """A position in a story: a chapter and an offset in characters into its body."""

    chapter_id: uuid.UUID
    offset: int


@dataclass(frozen=True)
class Visit:
    """A reader, a story and its version, and the new position, within its chapter; without one the position stays."""

    story_id: uuid.UUID
    reader_id: uuid.UUID
    story_version: int
    place: ReadingPlace | None

    @property
    def values(self) -> dict[str, Any]:
        """The columns that the position sets."""
        return {} if self.place is None else {"chapter_id": self.place.chapter_id, "offset": self.place.offset}


def move(visit: Visit, seen: Expected) -> Reading | None:
    """Store the visit's position if the row has not changed since `seen`; None if it has, or if nothing would change."""
    first = _insert(visit) if seen.version == 0 else None
    news = Q(story_version__lt=visit.story_version)
    if visit.place is not None:
        news |= ~Q(**visit.values)
    return first or _update(visit, news & unchanged(Reading, seen, ["place"]), **visit.values)


def advance(visit: Visit) -> Reading | None:
    """Store the visit's position if it is further; None if it is not and the story's version was seen already.

    An existing row is locked first. Without that, an UPDATE that waits for a concurrent one compares with the new position,
    but still sees the chapters as they were when the statement began: in an order that may have changed, or without the new
    position's chapter.
    """
    first = _insert(visit, lock=True)
    news = Q(story_version__lt=visit.story_version)
    if visit.place is None:
        return first or _update(visit, news)
    further = _further(visit.place)
    values = {
        name: Case(When(further, then=Value(value)), default=F(name), output_field=FIELDS[name])
        for name, value in visit.values.items()
    }
    return first or _update(visit, news | further, **values)


def _further(place: ReadingPlace) -> Q:
    """Filter: the stored position is before this one, by the chapter's number and then the offset; or there is none yet."""
    position = Subquery(Chapter.objects.filter(pk=place.chapter_id).values("position"))
    behind = Exists(Chapter.objects.filter(pk=OuterRef("chapter_id"), position__lt=position))
    return Q(chapter_id=None) | Q(chapter_id=place.chapter_id, offset__lt=place.offset) | Q(behind)


def _insert(visit: Visit, *, lock: bool = False) -> Reading | None:
    """Insert the first position; None if there is one already, which `lock` locks."""
    new = Reading(story_id=visit.story_id, reader_id=visit.reader_id, story_version=visit.story_version, **visit.values)
    return first_row(new, ["story", "reader"], lock=lock)


def _update(visit: Visit, condition: Q, **values: object) -> Reading | None:
    """Update the position. The seen version of the story never falls."""
    rows = write(
        Reading.objects.filter(condition, story_id=visit.story_id, reader_id=visit.reader_id),
        **values,
        story_version=Greatest(F("story_version"), Value(visit.story_version)),
        **stamped(Reading, ["place"]),
    )
    return rows[0] if rows else None


def present(visit: Visit, seen: Expected) -> Reading:
    """The present row after a write that changed nothing. Raises `Conflict` if it changed since `seen`."""
    of_visit = Reading.objects.filter(story_id=visit.story_id, reader_id=visit.reader_id)
    found = of_visit.annotate(length=Length("chapter__body")).first()
    if found is not None:
        found.chapter_length = found.length
    reading = found or never(visit.story_id, visit.reader_id)
    if not is_unchanged(reading, seen, ["place"]):
        raise _conflict(reading, visit, seen)
    return reading


def _conflict(reading: Reading, visit: Visit, seen: Expected) -> Conflict:
    base = {"chapter_id": None, "offset": 0} if seen.version == 0 else {}
    theirs = {"chapter_id": reading.chapter_id, "offset": reading.offset_within(reading.chapter_length or 0)}
    overlaps = [
        FieldConflict(path, base=base.get(name), mine=visit.values[name], theirs=theirs[name])
        for name, path in (("chapter_id", "chapter"), ("offset", "offset"))
        if name in visit.values
    ]
    return conflict(reading, seen=seen, thing=("reading", reading.reader_id, reading.story_id), overlaps=overlaps)
