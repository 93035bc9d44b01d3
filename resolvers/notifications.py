"""Notifications: the viewer's own, and marking them read."""

import uuid
from collections.abc import Iterable, Mapping

from backend.engine.conditions import Target, conditioned
from backend.engine.idempotency import Outcome, Request
from backend.engine.versions import Expected
from backend.notifications import actions, queries
from backend.notifications.models import Notification
from backend.pages import Page, Window
from backend.people.models import Person
from backend.stories.models import Story
from resolvers import stories
from resolvers.batches import Batch, gather, is_viewer, loaded
from resolvers.work import performed


def by_ids(ids: Iterable[uuid.UUID], *, viewer: Person | None) -> dict[uuid.UUID, Notification]:
    """The notifications among these ids that are for the viewer."""
    found = {} if viewer is None else queries.by_ids(ids, person=viewer.pk)
    gather(found.values(), viewer)
    return found


def of_person(person: Person, window: Window, *, unread: bool | None) -> Page[Notification] | None:
    """The person's notifications, newest first; private."""
    if not is_viewer(person):
        return None
    page = queries.of_person(person.pk, window, unread=unread, mature=person.show_mature)
    gather(page.rows, person.batch.viewer)  # type: ignore[attr-defined]
    return page


def unread_count(person: Person) -> int | None:
    """The number of unread notifications; private."""
    return queries.unread_count(person.pk, mature=person.show_mature) if is_viewer(person) else None


def story(notification: Notification) -> Story | None:
    """The published story; None if the viewer cannot find it now, and for digests."""

    def load(batch: Batch) -> Mapping[uuid.UUID, Story | None]:
        ids = {row.story_id for row in batch.rows.values()} - {None}
        found = stories.by_ids(ids, viewer=batch.viewer) if ids else {}
        return {row.pk: found.get(row.story_id) for row in batch.rows.values()}

    return loaded(notification, "story", load)


def mark_notification_read(me: Person, *, notification: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Mark it read."""

    def write(seen: Expected) -> Outcome:
        row, applied = actions.mark_read(notification, me.pk, seen)
        return Outcome(applied, {"notification": row})

    target = Target("notification", {"pk": notification})
    request = Request("markNotificationRead", me.pk, key, {"id": str(notification)})
    return performed(request, conditioned(me.pk, expect, target, write), me)
