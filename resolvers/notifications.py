"""Notifications: the viewer's own, and marking them read."""

import uuid

from backend.engine.idempotency import Outcome
from backend.engine.mutations import Mutation, Target
from backend.engine.versions import Expected
from backend.notifications import actions
from backend.people.models import Person
from resolvers.work import performed


def mark_notification_read(me: Person, *, notification: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Mark it read."""

    def write(seen: Expected) -> Outcome:
        row, applied = actions.mark_read(notification, me.id, seen)
        return Outcome(applied, {"notification": row})

    target = Target("notification", {"pk": notification})
    arguments = {"id": notification}
    return performed(
        Mutation("markNotificationRead", me.id, key, arguments, write, target, expect), me, while_suspended=True
    )
