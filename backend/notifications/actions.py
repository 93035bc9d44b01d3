"""Writes to notifications: telling somebody, and what recipients do."""

import uuid

from django.db.models import Exists
from django.db.models.functions import Now

from backend.engine.declarations import insert, update
from backend.engine.errors import FieldConflict, NotFound
from backend.engine.idempotency import Applied
from backend.engine.ids import uuid7
from backend.engine.statements import Declared, Values, compiled
from backend.engine.versions import Expected, conflict, is_unchanged, stamped, unchanged
from backend.notifications import queries
from backend.notifications.models import Notification, NotificationKind
from backend.people.models import Person
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


def tell(
    person_id: uuid.UUID,
    kind: NotificationKind,
    *,
    decision: uuid.UUID | None = None,
    report: uuid.UUID | None = None,
    invitation: uuid.UUID | None = None,
) -> None:
    """Notify somebody of a decision, a report or an invitation, unless they have left.

    It is a part of the unit of work that makes it so.
    """
    of = {"decision_id": decision, "report_id": report, "invitation_id": invitation}
    _tell(id=uuid7(), person=person_id, kind=kind.value, of=Values(Notification, of))


@compiled
def _tell(*, id: uuid.UUID, person: uuid.UUID, kind: str, of: Values) -> Declared[Notification]:
    there = Exists(Person.objects.filter(pk=person, left_at__isnull=True))
    return insert(Notification, when=there, id=id, person_id=person, kind=kind, **of)
