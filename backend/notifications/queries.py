"""Queries for notifications, for their recipients.

Notifications of a story that the person cannot find now (a draft again, or across a block) are hidden until they can. Lists
and counts also leave out stories for adults, unless the person asks for them (`mature`).
"""

import uuid
from string import Template

from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL

from backend.engine.declarations import select
from backend.engine.statements import Declared, compiled
from backend.notifications.models import Notification
from backend.people.queries import IS_VIEWER
from backend.sources import Page as Sourced
from backend.sources import Row, Same, Value
from backend.stories.queries import visible

ROW = '"notifications_notification"'

FOUND = f"""
({ROW}.story_id IS NULL OR EXISTS (
    SELECT FROM stories_story AS story WHERE story.id = {ROW}.story_id AND {visible(f"{ROW}.person_id")}
))
"""
"""SQL: whether the recipient can find a notification."""


READ = {None: "", True: " AND notification.read_at IS NULL", False: " AND notification.read_at IS NOT NULL"}
"""SQL for all, the unread, and the read ones."""

MAX_COUNTED = 100


def found_by(person: uuid.UUID) -> QuerySet[Notification]:
    """The notifications that this person can find."""
    return Notification.objects.filter(RawSQL(FOUND, [], output_field=BooleanField()), person_id=person)


def _is_there(notification: Notification, person: uuid.UUID) -> bool:
    return _find(notification=notification.pk, person=person).row is not None


@compiled
def _find(*, notification: uuid.UUID, person: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    return select(found_by(person).filter(pk=notification).values_list("pk"))


STILL_THERE = {Notification: _is_there}
"""A notification is hidden with its story."""


# --- Sources ----------------------------------------------------------------------------------------------------

_OWN = "SELECT notification.*, notification.created_at AS place_at FROM notifications_notification AS notification"

_STORY = f"SELECT FROM stories_story AS story WHERE story.id = notification.story_id AND {visible('$viewer')}"

BY_ID = Row(
    f"{_OWN} WHERE notification.id = $key::uuid AND notification.person_id = $viewer "
    f"AND (notification.story_id IS NULL OR EXISTS ({_STORY}))",
    type="Notification",
)

LISTED = (
    "notification.person_id = $viewer "
    f"AND (notification.story_id IS NULL OR EXISTS ({_STORY} AND (NOT story.mature OR $mature)))"
)
"""SQL: whether lists show a notification."""

OF_PERSON = {
    unread: Sourced(
        f"{_OWN} WHERE {LISTED}{read}$between $order", "notification.created_at", "notification.id", when=IS_VIEWER
    )
    for unread, read in READ.items()
}
"""The viewer's notifications, newest first: all, the unread ones, or the read ones; private."""

UNREAD_COUNT = Value(
    f"CASE WHEN {IS_VIEWER} THEN (SELECT count(*) FROM (SELECT FROM notifications_notification AS notification "
    f"WHERE {LISTED}{READ[True]} LIMIT {MAX_COUNTED}) AS unread) END",
    is_local=False,
)
"""How many notifications are unread, counted up to `MAX_COUNTED` to bound the cost; private."""

LIVE = Row("SELECT $viewer AS id, $row.key AS notification_id", is_local=True)
"""Of `notified`: the viewer, and the notification that has come, if one has."""

OF_LIVE = Row(Template(BY_ID.sql).safe_substitute(key="$row.notification_id"))

STORY = Row(f"SELECT story.* FROM stories_story AS story WHERE story.id = $row.story_id AND {visible('$viewer')}")

DIGEST = Same(when="$row.day IS NOT NULL")
