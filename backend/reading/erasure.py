"""Reading's part of deletions: positions and views when a chapter, a story or an account is deleted."""

import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import Q, Subquery
from django.db.models.functions import Length

from backend.engine import tallies
from backend.engine.declarations import delete_all, update_all
from backend.engine.removal import removing
from backend.engine.statements import Declared, compiled
from backend.engine.versions import stamped
from backend.reading.models import Reading, View
from backend.stories import rank
from backend.stories.models import Chapter, StoryTally
from backend.stories.row_locks import lock_stories

VIEWS_OF_READER = f"""
DELETE FROM reading_view WHERE reader_id = %s AND story_id = ANY(%s) AND {removing("reading_view")} RETURNING story_id
"""

VIEWS_OF_STORY = f"""
DELETE FROM reading_view WHERE story_id = %s AND (reader_id, day) IN (
    SELECT reader_id, day FROM reading_view WHERE story_id = %s ORDER BY reader_id, day LIMIT %s
) AND {removing("reading_view")}
"""


SWEEP_STAGE = 50
SWEPT_COLUMNS = {"reading_reading": ("reader_id",), "reading_view": ("reader_id",)}


def chapter_deleted(chapter: Chapter, remaining: Sequence[uuid.UUID]) -> None:
    """Move readers who were in it to the start of the next chapter, or to the end of the last one."""
    position = chapter.position
    place = remaining[min(position, len(remaining)) - 1] if remaining else None
    at_end = place is not None and position > len(remaining)
    _move_readers(at_end, chapter=chapter.pk, place=place)


@compiled
def _move_readers(at_end: bool, *, chapter: uuid.UUID, place: uuid.UUID | None) -> Declared[Any]:
    end = Chapter.objects.filter(Q(pk=place)).values(end=Length("body"))
    offset: Any = Subquery(end) if at_end else 0
    return update_all(
        Reading.objects.filter(chapter_id=chapter), chapter_id=place, offset=offset, **stamped(Reading, ["place"])
    )


def story_deleted(story_id: uuid.UUID, chapter_ids: Sequence[uuid.UUID]) -> None:  # noqa: ARG001
    """Delete all positions in it and views of it."""
    _delete_places(story=story_id)
    _delete_views(story=story_id)


@compiled
def _delete_places(*, story: uuid.UUID) -> Declared[Any]:
    return delete_all(Reading.objects.filter(story_id=story))


@compiled
def _delete_views(*, story: uuid.UUID) -> Declared[Any]:
    return delete_all(View.objects.filter(story_id=story))


def sweep_person(reader: uuid.UUID, limit: int) -> bool:
    """Delete up to `limit` positions of a reader with their views, and lower totals and ranks; returns whether there may be
    more.

    Every viewer of a story has a position in it, so this finds all views.
    """
    places = Reading.objects.filter(reader_id=reader)
    found = list(places.order_by("-updated_at", "-pk").values_list("story_id", flat=True)[:limit])
    lock_stories(found)
    held = list(places.filter(story_id__in=found).order_by("pk").select_for_update().values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(VIEWS_OF_READER, [reader, found])
        views = Counter(story for (story,) in cursor.fetchall())
    if held:
        delete_all(Reading.objects.filter(pk__in=held)).run()
    tallies.add(StoryTally, [(story, "views", -count) for story, count in views.items()])
    for story in sorted(views):
        rank.lowered(story)
    return bool(found)


def sweep_story(story_id: uuid.UUID, limit: int) -> bool:
    """Delete up to `limit` views of a story that the caller has locked, then up to `limit` positions; returns whether there
    may be more.
    """
    return _sweep_views(story_id, limit) or _sweep_places(story_id, limit)


def _sweep_views(story_id: uuid.UUID, limit: int) -> bool:
    if not View.objects.filter(story_id=story_id).order_by("reader_id", "day").values_list("day")[:1]:
        return False
    with connection.cursor() as cursor:
        cursor.execute(VIEWS_OF_STORY, [story_id, story_id, limit])
        tallies.add(StoryTally, [(story_id, "views", -cursor.rowcount)])
    rank.lowered(story_id)  # a story that was unpublished has kept its rank
    return True


def _sweep_places(story_id: uuid.UUID, limit: int) -> bool:
    found = list(Reading.objects.filter(story_id=story_id).order_by("reader_id").values_list("pk", flat=True)[:limit])
    if found:
        delete_all(Reading.objects.filter(pk__in=found)).run()
    return bool(found)
