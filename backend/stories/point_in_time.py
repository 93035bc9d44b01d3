"""The chapters of a story as they were at an earlier version of it: what a replayed reply shows."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from django.db import connection

from backend.stories.models import Chapter, Story

Moment = tuple[uuid.UUID, int, datetime]
"""A chapter at one of its versions, and when that was written."""

MOMENTS = """
SELECT id, version, updated_at FROM stories_chapter WHERE story_id = %s ORDER BY position
"""

TEXTS = """
SELECT DISTINCT ON (moment.id, kept.field) moment.id, kept.field, revision.values -> kept.field
FROM unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS moment (id, version)
JOIN stories_revision AS revision ON revision.story_id = %(story)s AND revision.chapter_id = moment.id
    AND revision.version > moment.version
CROSS JOIN LATERAL jsonb_each(revision.since) AS kept (field, at)
WHERE kept.at::bigint <= moment.version
ORDER BY moment.id, kept.field, revision.version
"""
"""The values that each chapter had at its version, of the fields that were written since."""

REMOVED = """
SELECT DISTINCT ON (moment.id) moment.id, revision.values -> 'removed'
FROM unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS moment (id, version)
JOIN stories_revision AS revision ON revision.story_id = %(story)s AND revision.chapter_id IS NULL
    AND revision.values -> 'removed' ->> 'id' = moment.id::text
    AND (revision.values -> 'removed' ->> 'version')::bigint >= moment.version
ORDER BY moment.id, revision.version
"""
"""The chapters that were deleted since, as they were when they went."""


def moments(story_id: uuid.UUID) -> list[Moment]:
    """The versions of a story's chapters now, in order."""
    with connection.cursor() as cursor:
        cursor.execute(MOMENTS, [story_id])
        return cursor.fetchall()


def chapters(story: Story, of: Sequence[Moment]) -> list[Chapter]:
    """The chapters of a story as they were then, in order.

    Of those that were written since, the texts come from the history. One whose text is in the history no more is shown as
    it is now, and left out if it is gone.
    """
    present = Chapter.objects.filter(story_id=story.pk).in_bulk([id_ for id_, _, _ in of])
    changed = [one for one in of if one[0] not in present or present[one[0]].version != one[1]]
    earlier = _texts(story, changed) if changed else {}
    found = [_as_of(story, one, position, present, earlier) for position, one in enumerate(of, start=1)]
    return [chapter for chapter in found if chapter is not None]


def _texts(story: Story, of: Sequence[Moment]) -> dict[uuid.UUID, dict[str, Any]]:
    """What the history says of the texts of these chapters then."""
    given: dict[str, Any] = {
        "story": story.pk,
        "ids": [id_ for id_, _, _ in of],
        "versions": [version for _, version, _ in of],
    }
    with connection.cursor() as cursor:
        cursor.execute(REMOVED, given)
        found = {id_: {name: orjson.loads(gone)[name] for name in ("title", "body")} for id_, gone in cursor.fetchall()}
        cursor.execute(TEXTS, given)
        for id_, field, value in cursor.fetchall():
            found.setdefault(id_, {})[field] = orjson.loads(value)
    return found


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
