"""Writes to notifications by their recipients."""

import uuid

from django.db.models.functions import Now

from backend.engine.declarations import update
from backend.engine.errors import FieldConflict, NotFound
from backend.engine.idempotency import Applied
from backend.engine.statements import Declared, compiled
from backend.engine.versions import Expected, conflict, is_unchanged, stamped, unchanged
from backend.notifications import queries
from backend.notifications.models import Notification
from backend.sources import read

UNKNOWN_NOTIFICATION = "There is no such notification."


def mark_read(notification_id: uuid.UUID, person_id: uuid.UUID, seen: Expected) -> tuple[Notification, Applied]:
    """Mark the notification read, if it has not changed since `seen`. Raises `Conflict`, `NotFound`."""
    row = _mark_read(notification=notification_id, person=person_id, seen=seen).row
    if row is not None:
        return row, Applied.WRITTEN
    present = read(Notification, queries.BY_ID, key=notification_id, viewer=person_id).row
    if present is None:
        raise NotFound(UNKNOWN_NOTIFICATION)
    if present.read_at is not None and is_unchanged(present, seen, ["read"]):
        return present, Applied.NOOP
    overlaps = [] if present.read_at is None else [FieldConflict("readAt", None, None, present.read_at)]
    raise conflict(present, seen=seen, thing=("notification", notification_id), overlaps=overlaps, by=person_id)


@compiled
def _mark_read(*, notification: uuid.UUID, person: uuid.UUID, seen: Expected) -> Declared[Notification]:
    unread = queries.found_by(person).filter(pk=notification, read_at__isnull=True)
    return update(
        unread.filter(unchanged(Notification, seen, ["read"])), read_at=Now(), **stamped(Notification, ["read"])
    )
