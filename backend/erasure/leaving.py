"""Deletes an account: hidden from everybody at once, its data deleted by a job afterwards (`sweeping`)."""

import uuid
from dataclasses import dataclass

from django.contrib.auth.hashers import make_password
from django.db import connection
from django.db.models.functions import Now

from backend.engine.errors import Unauthenticated, WrongPassword
from backend.engine.versions import require_transaction, stamped, write
from backend.jobs.queue import defer
from backend.people import tokens
from backend.people.models import Account, Departure, Person
from backend.people.passwords import WRONG, hash_if_right

NO_PROFILE = {"name": "", "bio": "", "show_mature": False}


@dataclass(frozen=True)
class Leave:
    """A request to leave. The password is checked before the first lock is taken, because hashing is slow on purpose."""

    person_id: uuid.UUID
    checked: str | None
    """The stored hash that the password matched; None if it was wrong."""


def prepared(person_id: uuid.UUID, password: str) -> Leave:
    """Check the password, before the unit of work."""
    account = Account.objects.filter(pk=person_id, is_active=True).first()
    if account is None:
        raise Unauthenticated
    return Leave(person_id, hash_if_right(account, password))


def leave(wanted: Leave) -> None:
    """Mark the person as having left, if the password is still the one that was checked.

    The person's row is locked as by a DELETE, so this and writes that refer to the person wait for each other
    (`PresenceGuard`): earlier writes are swept, later ones are refused. The handle stays taken. Raises `Forbidden`,
    `Unauthenticated`.
    """
    require_transaction()
    present = Person.objects.filter(pk=wanted.person_id, left_at__isnull=True)
    if not present.select_for_update().values_list("pk"):
        raise Unauthenticated
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # check now: the key of this request refers to the person too
    write(present, left_at=Now(), **NO_PROFILE, **stamped(Person, NO_PROFILE))
    unchanged = Account.objects.filter(pk=wanted.person_id, password=wanted.checked, is_active=True)
    closed = {"password": make_password(None), "is_active": False, "is_staff": False, "is_moderator": False}
    if wanted.checked is None or not unchanged.update(**closed):
        raise WrongPassword(WRONG)
    Departure.objects.bulk_create([Departure(person_id=wanted.person_id)])
    tokens.revoke_others(wanted.person_id, None)
    defer("sweep", f"sweep:{wanted.person_id}", person=str(wanted.person_id))
