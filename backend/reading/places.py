"""The row of a reader's place: where it goes, and whether it may, decided by one conditioned write."""

import uuid
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Exists, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Greatest

from backend.engine.errors import Conflict, FieldConflict
from backend.engine.versions import Expected, conflict, first_row, is_unchanged, stamped, unchanged, write
from backend.reading.models import Reading
from backend.reading.queries import never
from backend.stories.models import Chapter

FIELDS = {field.attname: field for field in Reading._meta.concrete_fields}


@dataclass(frozen=True)
class ReadingPlace:
    """A place in a story: a chapter, and how many characters into its body."""

    chapter_id: uuid.UUID
    offset: int


@dataclass(frozen=True)
class Visit:
    """Who looks at which version of which story, and where in it; no place means that the place stays."""

    story_id: uuid.UUID
    reader_id: uuid.UUID
    story_version: int
    place: ReadingPlace | None

    @property
    def values(self) -> dict[str, Any]:
        """The fields that the place sets."""
        return {} if self.place is None else {"chapter_id": self.place.chapter_id, "offset": self.place.offset}


def move(visit: Visit, seen: Expected) -> Reading | None:
    """Move to the visit's place if the place is still as it was at `seen`; None if it is not, or all is so already."""
    first = _insert(visit) if seen.version == 0 else None
    news = Q(story_version__lt=visit.story_version)
    if visit.place is not None:
        news |= ~Q(**visit.values)
    return first or _update(visit, news & unchanged(Reading, seen, ["place"]), **visit.values)


def advance(visit: Visit) -> Reading | None:
    """Move to the visit's place if that is further; None if it is not, and the story's version was seen already.

    A row that is there is locked first. An UPDATE that waits for a rival compares with the rival's place, but finds the
    chapters as they were when it began to wait: by an order that may have changed since, or without the rival's chapter.
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
    """Filter: the place is behind this one, by the chapter's position and then by the offset; or there is none yet."""
    position = Subquery(Chapter.objects.filter(pk=place.chapter_id).values("position"))
    behind = Exists(Chapter.objects.filter(pk=OuterRef("chapter_id"), position__lt=position))
    return Q(chapter_id=None) | Q(chapter_id=place.chapter_id, offset__lt=place.offset) | Q(behind)


def _insert(visit: Visit, *, lock: bool = False) -> Reading | None:
    """The first place; None if there is one already, which `lock` locks."""
    new = Reading(story_id=visit.story_id, reader_id=visit.reader_id, story_version=visit.story_version, **visit.values)
    return first_row(new, ["story", "reader"], lock=lock)


def _update(visit: Visit, condition: Q, **values: object) -> Reading | None:
    """The next place. Which version of the story was seen only ever rises."""
    rows = write(
        Reading.objects.filter(condition, story_id=visit.story_id, reader_id=visit.reader_id),
        **values,
        story_version=Greatest(F("story_version"), Value(visit.story_version)),
        **stamped(Reading, ["place"]),
    )
    return rows[0] if rows else None


def present(visit: Visit, seen: Expected) -> Reading:
    """The place to which nothing was written, because all is so already. Raises `Conflict` if it changed since `seen`."""
    found = Reading.objects.filter(story_id=visit.story_id, reader_id=visit.reader_id).first()
    reading = found or never(visit.story_id, visit.reader_id)
    if not is_unchanged(reading, seen, ["place"]):
        raise _conflict(reading, visit, seen)
    return reading


def _conflict(reading: Reading, visit: Visit, seen: Expected) -> Conflict:
    base = {"chapter_id": None, "offset": 0} if seen.version == 0 else {}
    overlaps = [
        FieldConflict(path, base=base.get(name), mine=visit.values[name], theirs=getattr(reading, name))
        for name, path in (("chapter_id", "chapter"), ("offset", "offset"))
        if name in visit.values
    ]
    return conflict(reading, seen=seen, thing=("reading", reading.reader_id, reading.story_id), overlaps=overlaps)
