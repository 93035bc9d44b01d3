"""Reads of notifications: each by whom it is for.

What is about a story that the person cannot find now, a draft again or across a block, is not found either; it is back when the
story is. Lists and counts also leave out what is about a story for adults, unless the person wants those shown (`mature`).
"""

import uuid
from collections.abc import Iterable

from django.db import connection
from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL

from backend.notifications.models import Notification
from backend.pages import Page, Window
from backend.stories.queries import visible

ROW = '"notifications_notification"'

FOUND = f"""
({ROW}.story_id IS NULL OR EXISTS (
    SELECT FROM stories_story AS story WHERE story.id = {ROW}.story_id AND {visible(f"{ROW}.person_id")}
))
"""
"""Whether a notification is found by whom it is for."""

SHOWN = f"""
notification.person_id = %s AND (notification.story_id IS NULL OR EXISTS (
    SELECT FROM stories_story AS story
    WHERE story.id = notification.story_id AND {visible("notification.person_id")} AND (NOT story.mature OR %s)
))
"""
"""Whether lists show a notification: parameters the person and `mature`."""

LIST = f"""
SELECT notification.*, notification.created_at AS place_at FROM notifications_notification AS notification
WHERE {SHOWN}{{read}}{{between}} {{order}}
"""

READ = {None: "", True: " AND notification.read_at IS NULL", False: " AND notification.read_at IS NOT NULL"}
"""SQL for all, the unread, and the read ones."""

MAX_COUNTED = 100

UNREAD_COUNT = f"""
SELECT count(*) FROM (
    SELECT FROM notifications_notification AS notification WHERE {SHOWN}{READ[True]} LIMIT {MAX_COUNTED}
) AS unread
"""


def found_by(person: uuid.UUID) -> QuerySet[Notification]:
    """Those that are for this person, and not about a story that they cannot find."""
    return Notification.objects.filter(RawSQL(FOUND, [], output_field=BooleanField()), person_id=person)


def by_ids(ids: Iterable[uuid.UUID], *, person: uuid.UUID) -> dict[uuid.UUID, Notification]:
    """The notifications among these ids that this person finds, in one query."""
    return {row.pk: row for row in found_by(person).filter(pk__in=list(ids))}


def of_person(person: uuid.UUID, window: Window, *, unread: bool | None, mature: bool) -> Page[Notification]:
    """What the person is told of, newest first; only what is unread, or only what is read, if that is asked for."""
    at, id_ = "notification.created_at", "notification.id"
    between, places = window.condition(at, id_)
    sql = LIST.format(read=READ[unread], between=between, order=window.order(at, id_))
    return Page.of(Notification.objects.raw(sql, [person, mature, *places]), window)


def unread_count(person: uuid.UUID, *, mature: bool) -> int:
    """How many the person has not read: at most `MAX_COUNTED`, so that it costs the same however many there are."""
    with connection.cursor() as cursor:
        cursor.execute(UNREAD_COUNT, [person, mature])
        found: int = cursor.fetchone()[0]
    return found
