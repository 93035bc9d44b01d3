"""Notifications: the viewer's own, and marking them read."""

import uuid

from backend.engine.conditions import Target, conditioned
from backend.engine.idempotency import Outcome, Request
from backend.engine.versions import Expected
from backend.notifications import actions
from backend.people.models import Person
from resolvers.work import performed


def mark_notification_read(me: Person, *, notification: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Mark it read."""

    def write(seen: Expected) -> Outcome:
        row, applied = actions.mark_read(notification, me.pk, seen)
        return Outcome(applied, {"notification": row})

    target = Target("notification", {"pk": notification})
    request = Request("markNotificationRead", me.pk, key, {"id": str(notification)})
    return performed(request, conditioned(me.pk, expect, target, write), me)
