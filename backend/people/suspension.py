"""Suspensions: until a moment nothing that somebody writes is accepted, but for what is about their own account.

A write holds its sender's account, and who suspends somebody waits for that. So of a write and a suspension at the same moment
one comes first: no write is committed after its sender was suspended.
"""

import uuid
from datetime import datetime, timedelta

from django.contrib.postgres.functions import TransactionNow
from django.db.models.functions import Greatest

from backend.engine.declarations import query, update_all
from backend.engine.statements import Declared, compiled
from backend.people import tokens
from backend.people.errors import Suspended
from backend.people.models import Account

HOLD = """
SELECT CASE WHEN suspended_until > now() THEN suspended_until END FROM people_account WHERE person_id = %(person)s FOR KEY SHARE
"""
"""KEY SHARE conflicts with FOR UPDATE, and with nothing that changes a password or a role."""


def hold_writer(person: uuid.UUID) -> None:
    """Lock the account, so that its person is not suspended until the unit of work ends.

    Whether they are is told before the result of any statement that is sent after this one: `Suspended` is raised there.
    """
    held = _hold(person=person)

    def accept(_found: int) -> None:
        if held.row is not None and held.row[0] is not None:
            raise Suspended(person, held.row[0])

    held.check(accept)


def hold_profile(person: uuid.UUID) -> None:
    """`hold_writer` for who writes to their own row, which is locked before the account."""
    tokens.hold(person)
    hold_writer(person)


@compiled
def _hold(*, person: uuid.UUID) -> Declared[tuple[datetime | None]]:
    return query(HOLD, person=person)


def suspend(person: uuid.UUID, length: timedelta) -> None:
    """Suspend the person for so long from now on, unless they are already for longer. The caller has locked their account."""
    _suspend(person=person, length=length)


@compiled
def _suspend(*, person: uuid.UUID, length: timedelta) -> Declared[Account]:
    return update_all(
        Account.objects.filter(pk=person), suspended_until=Greatest("suspended_until", TransactionNow() + length)
    )
