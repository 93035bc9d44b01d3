"""Queries for notifications, for their recipients.

Notifications of a story that the person cannot find now (a draft again, or across a block) are hidden until they can. Lists
and counts also leave out stories for adults, unless the person asks for them (`mature`).
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
"""SQL: whether the recipient can find a notification."""

SHOWN = f"""
notification.person_id = %s AND (notification.story_id IS NULL OR EXISTS (
    SELECT FROM stories_story AS story
    WHERE story.id = notification.story_id AND {visible("notification.person_id")} AND (NOT story.mature OR %s)
))
"""
"""SQL: whether lists show a notification. Parameters: the person, `mature`."""

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
    """The notifications that this person can find."""
    return Notification.objects.filter(RawSQL(FOUND, [], output_field=BooleanField()), person_id=person)


def by_ids(ids: Iterable[uuid.UUID], *, person: uuid.UUID) -> dict[uuid.UUID, Notification]:
    """The notifications among these ids that this person finds, in one query."""
    return {row.pk: row for row in found_by(person).filter(pk__in=list(ids))}


def of_person(person: uuid.UUID, window: Window, *, unread: bool | None, mature: bool) -> Page[Notification]:
    """The person's notifications, newest first; `unread` selects unread or read ones, None both."""
    at, id_ = "notification.created_at", "notification.id"
    between, places = window.condition(at, id_)
    sql = LIST.format(read=READ[unread], between=between, order=window.order(at, id_))
    return Page.of(Notification.objects.raw(sql, [person, mature, *places]), window)


def unread_count(person: uuid.UUID, *, mature: bool) -> int:
    """How many notifications are unread, counted up to `MAX_COUNTED` to bound the cost."""
    with connection.cursor() as cursor:
        cursor.execute(UNREAD_COUNT, [person, mature])
        found: int = cursor.fetchone()[0]
    return found


def _is_there(notification: Notification, person: uuid.UUID) -> bool:
    return found_by(person).filter(pk=notification.pk).exists()


STILL_THERE = {Notification: _is_there}
"""A notification is hidden with its story."""
