"""Deletes an account: hidden from everybody at once, its data deleted by a job afterwards (`sweeping`)."""

import uuid
from dataclasses import dataclass

from django.contrib.auth.hashers import make_password
from django.db.models.functions import Now

from backend.coauthors import shared
from backend.engine.declarations import insert, query, select, update_all
from backend.engine.errors import Unauthenticated, WrongPassword
from backend.engine.statements import Declared, compiled
from backend.engine.versions import stamped
from backend.jobs.queue import defer
from backend.people import attempts, queries, tokens
from backend.people.models import Account, Departure, Person
from backend.people.passwords import WRONG, hash_if_right

NO_PROFILE = {"name": "", "bio": "", "show_mature": False}


@dataclass(frozen=True)
class Leave:
    """A request to leave. The password is checked before the first lock is taken, because hashing is slow on purpose."""

    person_id: uuid.UUID
    checked: str | None
    """The stored hash that the password matched; None if it was wrong."""
    attempt: tuple[str, str]
    """The handle and the address for which the attempt was counted."""


def prepared(person_id: uuid.UUID, password: str, *, address: str) -> Leave:
    """Check the password, before the unit of work.

    Counts as an attempt to sign in from this address. Raises `RateLimited`, `Unauthenticated`.
    """
    account = queries.account(person=person_id).row
    if account is None or not account.is_active:
        raise Unauthenticated
    attempts.count_sign_in(account.login, address)
    return Leave(person_id, hash_if_right(account, password), (account.login, address))


def leave(wanted: Leave) -> None:
    """Mark the person as having left, if the password is still the one that was checked.

    The person's row is locked as by a DELETE, so this and writes that refer to the person wait for each other
    (`PresenceGuard`): earlier writes are swept, later ones are refused. Nobody writes their stories with them any more. The
    handle stays taken. Raises `Forbidden`, `Unauthenticated`.
    """
    person = wanted.person_id
    attempts.forgive_sign_in(*wanted.attempt)
    shared.lock(person)  # first: who writes such a story holds it, and locks the person when they commit
    _lock(person=person).check(_require_present)
    _check_constraints()  # now: the key of this request refers to the person too
    _mark(person=person)
    _close(person=person, checked=wanted.checked, unusable=make_password(None)).check(_require_right)
    _depart(person=person)
    tokens.revoke_others(person, None)
    shared.end(person)
    defer("sweep", f"sweep:{person}", person=str(person))


def _require_present(locked: int) -> None:
    if not locked:
        raise Unauthenticated


def _require_right(closed: int) -> None:
    if not closed:
        raise WrongPassword(WRONG)


@compiled
def _lock(*, person: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    return select(Person.objects.filter(pk=person, left_at__isnull=True).select_for_update().values_list("pk"))


@compiled
def _check_constraints() -> Declared[tuple[()]]:
    return query("SET CONSTRAINTS ALL IMMEDIATE")


@compiled
def _mark(*, person: uuid.UUID) -> Declared[Person]:
    return update_all(Person.objects.filter(pk=person), left_at=Now(), **NO_PROFILE, **stamped(Person, NO_PROFILE))


@compiled
def _close(*, person: uuid.UUID, checked: str | None, unusable: str) -> Declared[Account]:
    closed = {"password": unusable, "is_active": False, "is_staff": False, "is_moderator": False}
    account = Account.objects.filter(pk=person, password=checked, is_active=True)
    return update_all(account, **closed, suspended_until=None)


@compiled
def _depart(*, person: uuid.UUID) -> Declared[Departure]:
    return insert(Departure, person_id=person)
