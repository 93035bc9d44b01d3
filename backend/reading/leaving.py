"""Places and views, taken away with whoever has left: those of a reader, and those of a story whose author is gone."""

import uuid
from collections import Counter

from django.db import connection

from backend.engine import tallies
from backend.engine.versions import remove_all
from backend.reading.models import Reading, View
from backend.stories import rank
from backend.stories.holds import hold_stories
from backend.stories.models import StoryTally

VIEWS_OF_READER = "DELETE FROM reading_view WHERE reader_id = %s AND story_id = ANY(%s) RETURNING story_id"

VIEWS_OF_STORY = """
DELETE FROM reading_view WHERE story_id = %s AND (reader_id, day) IN (
    SELECT reader_id, day FROM reading_view WHERE story_id = %s ORDER BY reader_id, day LIMIT %s
)
"""


def forget_reader(reader: uuid.UUID, most: int) -> bool:
    """Take away so many of a reader's places, and the views with them, from totals and ranks too; whether there may be more.

    Whoever has viewed a story has a place in it, so no view is left behind.
    """
    places = Reading.objects.filter(reader_id=reader)
    found = list(places.order_by("-updated_at", "-pk").values_list("story_id", flat=True)[:most])
    hold_stories(found)
    held = list(places.filter(story_id__in=found).order_by("pk").select_for_update().values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(VIEWS_OF_READER, [reader, found])
        views = Counter(story for (story,) in cursor.fetchall())
    remove_all(Reading.objects.filter(pk__in=held))
    tallies.add(StoryTally, [(story, "views", -count) for story, count in views.items()])
    for story in sorted(views):
        rank.lowered(story)
    return bool(found)


def forget_views(story: uuid.UUID, most: int) -> int:
    """Take away so many views of a story that the caller holds; how many there were. Totals are left to the caller."""
    if not View.objects.filter(story_id=story).order_by("reader_id", "day").values_list("day")[:1]:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(VIEWS_OF_STORY, [story, story, most])
        views: int = cursor.rowcount
        return views


def forget_places(story: uuid.UUID, most: int) -> bool:
    """Take away so many places in a story that the caller holds, and of which all views are gone; whether there may be more."""
    found = list(Reading.objects.filter(story_id=story).order_by("reader_id").values_list("pk", flat=True)[:most])
    return bool(remove_all(Reading.objects.filter(pk__in=found)))
