"""The chapters of a story as they were at an earlier version of it: what a replayed reply shows."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from django.db.models import QuerySet

from backend.engine.declarations import IsAny, query, select
from backend.engine.statements import Declared, Result, compiled
from backend.stories.models import Chapter, Story
from backend.stories.queries import beside

Moment = tuple[uuid.UUID, int, datetime]
"""A chapter at one of its versions, and when that was written."""

TEXTS = """
SELECT DISTINCT ON (moment.id, kept.field) moment.id, kept.field, revision.values -> kept.field
FROM unnest(%(ids)s, %(versions)s) AS moment (id, version)
JOIN stories_revision AS revision ON revision.story_id = %(story)s AND revision.chapter_id = moment.id
    AND revision.version > moment.version
CROSS JOIN LATERAL jsonb_each(revision.since) AS kept (field, at)
WHERE kept.at::bigint <= moment.version
ORDER BY moment.id, kept.field, revision.version
"""
"""The values that each chapter had at its version, of the fields that were written since."""

REMOVED = """
SELECT DISTINCT ON (moment.id) moment.id, revision.values -> 'removed'
FROM unnest(%(ids)s, %(versions)s) AS moment (id, version)
JOIN stories_revision AS revision ON revision.story_id = %(story)s AND revision.chapter_id IS NULL
    AND revision.values -> 'removed' ->> 'id' = moment.id::text
    AND (revision.values -> 'removed' ->> 'version')::bigint >= moment.version
ORDER BY moment.id, revision.version
"""
"""The chapters that were deleted since, as they were when they went."""


class Moments:
    """The versions of a story's chapters as a write has left them. They are asked for in the round trip of the write.

    Whoever writes asks after the write; and once more after all that is written, or found, later. The last one counts.
    """

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted
        self._asked: Result[Moment] | None = None

    def of(self, story_id: uuid.UUID) -> None:
        """Ask for those of this story."""
        if self._wanted:
            self._asked = _moments(story=story_id)

    def beside(self, chapter_id: uuid.UUID) -> None:
        """Ask for those of the story that has this chapter."""
        if self._wanted:
            self._asked = _moments_beside(chapter=chapter_id)

    @property
    def found(self) -> list[Moment]:
        """In the order of the chapters. Raises LookupError if the write has not asked."""
        if self._asked is None:
            raise LookupError("A write to a story has to ask for the versions of its chapters.")
        return self._asked.rows


UNWANTED = Moments(wanted=False)


@compiled
def _moments(*, story: uuid.UUID) -> Declared[Moment]:
    return _in_order(Chapter.objects.filter(story_id=story))


@compiled
def _moments_beside(*, chapter: uuid.UUID) -> Declared[Moment]:
    return _in_order(beside(chapter))


def _in_order(chapters: "QuerySet[Chapter]") -> Declared[Moment]:
    return select(chapters.order_by("position").values_list("pk", "version", "updated_at"))


def chapters(story: Story, of: Sequence[Moment]) -> list[Chapter]:
    """The chapters of a story as they were then, in order.

    Of those that were written since, the texts come from the history. One whose text is in the history no more is shown as
    it is now, and left out if it is gone.
    """
    present = {one.pk: one for one in _present(story=story.pk, ids=[id_ for id_, _, _ in of]).rows}
    changed = [one for one in of if one[0] not in present or present[one[0]].version != one[1]]
    earlier = _texts(story, changed) if changed else {}
    found = [_as_of(story, one, position, present, earlier) for position, one in enumerate(of, start=1)]
    return [chapter for chapter in found if chapter is not None]


@compiled
def _present(*, story: uuid.UUID, ids: list[uuid.UUID]) -> Declared[Chapter]:
    return select(Chapter.objects.filter(IsAny("pk", ids), story_id=story))


def _texts(story: Story, of: Sequence[Moment]) -> dict[uuid.UUID, dict[str, Any]]:
    """What the history says of the texts of these chapters then."""
    ids, versions = [id_ for id_, _, _ in of], [version for _, version, _ in of]
    removed = _removed(story=story.pk, ids=ids, versions=versions)
    written = _written(story=story.pk, ids=ids, versions=versions)
    found = {id_: {name: orjson.loads(gone)[name] for name in ("title", "body")} for id_, gone in removed.rows}
    for id_, field, value in written.rows:
        found.setdefault(id_, {})[field] = orjson.loads(value)
    return found


@compiled
def _removed(*, story: uuid.UUID, ids: list[uuid.UUID], versions: list[int]) -> Declared[tuple[uuid.UUID, str]]:
    return query(REMOVED, story=story, ids=ids, versions=versions)


@compiled
def _written(*, story: uuid.UUID, ids: list[uuid.UUID], versions: list[int]) -> Declared[tuple[uuid.UUID, str, str]]:
    return query(TEXTS, story=story, ids=ids, versions=versions)


def _as_of(
    story: Story,
    moment: Moment,
    position: int,
    present: Mapping[uuid.UUID, Chapter],
    earlier: Mapping[uuid.UUID, Mapping[str, Any]],
) -> Chapter | None:
    id_, version, updated_at = moment
    now, texts = present.get(id_), dict(earlier.get(id_, {}))
    if now is not None:
        unwritten = [name for name in ("title", "body") if getattr(now, f"{name}_changed") <= version]
        texts = {**texts, **{name: getattr(now, name) for name in unwritten}}
    if len(texts) < 2:
        return now
    return Chapter(id=id_, story=story, position=position, version=version, updated_at=updated_at, **texts)
