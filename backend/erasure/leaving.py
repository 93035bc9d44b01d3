"""Deleting one's account: at once for everybody else, swept by a job afterwards; see `sweeping`."""

import uuid
from dataclasses import dataclass

from django.contrib.auth.hashers import make_password
from django.db import connection
from django.db.models.functions import Now

from backend.engine.errors import Forbidden, Unauthenticated
from backend.engine.versions import require_transaction, stamped, write
from backend.jobs.queue import defer
from backend.people import tokens
from backend.people.models import Account, Departure, Person
from backend.people.passwords import WRONG, hash_if_right

NO_PROFILE = {"name": "", "bio": "", "show_mature": False}


@dataclass(frozen=True)
class Leave:
    """That somebody wants to leave, with the password checked before the first lock: that is slow on purpose."""

    person_id: uuid.UUID
    checked: str | None
    """The hash that the password was held against; None if it was wrong."""


def prepared(person_id: uuid.UUID, password: str) -> Leave:
    """What it takes to delete the account of this person."""
    account = Account.objects.filter(pk=person_id, is_active=True).first()
    if account is None:
        raise Unauthenticated
    return Leave(person_id, hash_if_right(account, password))


def leave(wanted: Leave) -> None:
    """Let there be nobody any more, if the password is still the one that was checked.

    The person's row is locked as a deletion would lock it. Whatever refers to it waits, or is waited for (`PresenceGuard`): what
    was written before is swept, and nothing is written after. The handle stays taken. Raises `Forbidden`, `Unauthenticated`.
    """
    require_transaction()
    present = Person.objects.filter(pk=wanted.person_id, left_at__isnull=True)
    if not present.select_for_update().values_list("pk"):
        raise Unauthenticated
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # the key of this very request is theirs, and claimed already
    write(present, left_at=Now(), **NO_PROFILE, **stamped(Person, NO_PROFILE))
    unchanged = Account.objects.filter(pk=wanted.person_id, password=wanted.checked, is_active=True)
    if wanted.checked is None or not unchanged.update(password=make_password(None), is_active=False, is_staff=False):
        raise Forbidden(WRONG)
    Departure.objects.bulk_create([Departure(person_id=wanted.person_id)])
    tokens.revoke_others(wanted.person_id, None)
    defer("sweep", f"sweep:{wanted.person_id}", person=str(wanted.person_id))
