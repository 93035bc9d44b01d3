"""Writes to people: signing up, signing in and out, and the profile."""

import hashlib
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate
from django.db import IntegrityError
from django.db.models import Q
from django.utils import timezone

from backend.engine.declarations import delete_all, insert, query, update
from backend.engine.errors import FieldConflict, Invalid, SignInFailed, Unauthenticated, Wrong
from backend.engine.guard import shown_as
from backend.engine.idempotency import Applied, Outcome, already_so
from backend.engine.ids import uuid7
from backend.engine.statements import Declared, Values, compiled
from backend.engine.text import Checker
from backend.engine.transactions import violated_constraint
from backend.engine.versions import (
    Expected,
    changed_since,
    conflict,
    every_group,
    is_so_already,
    is_unchanged,
    mergeable,
    others_wrote,
    stamped_if_new,
    unchanged,
)
from backend.people import naming, passwords, queries
from backend.people.claims import issue
from backend.people.models import (
    BIO_CHARACTERS,
    AccessToken,
    Account,
    Person,
)
from backend.people.tokens import label_of

TAKEN = "is taken."


def sign_up(*, handle: str, name: str, password: str) -> Account:
    """Create a person with an account. Raises `Invalid` for invalid values or a handle that is taken."""
    account = _checked_account(handle, name, password)
    account.set_password(password)  # slow on purpose, so before any lock is taken
    person = account.person
    try:
        added = _add_person(id=person.pk, handle=person.handle, name=person.name)
        account = _add_account(person=person.pk, login=account.login, password=account.password).rows[0]
    except IntegrityError as error:
        if violated_constraint(error) != "person_handle_unique":
            raise
        raise Invalid.one("handle", TAKEN, Wrong.TAKEN) from None
    account.person = added.rows[0]
    return account


@compiled
def _add_person(*, id: uuid.UUID, handle: str, name: str) -> Declared[Person]:
    return insert(Person, id=id, handle=handle, name=name)


@compiled
def _add_account(*, person: uuid.UUID, login: str, password: str) -> Declared[Account]:
    return insert(Account, person_id=person, login=login, password=password)


def _checked_account(handle: str, name: str, password: str) -> Account:
    check = Checker()
    handle = naming.as_typed(handle)
    naming.check_handle(check, "handle", handle)
    person = Person(handle=handle, name=naming.checked_name(check, "name", name))
    account = Account(person=person, login=handle.lower())
    passwords.check(check, "password", password, account)
    if check.problems and _taken(handle=handle).row is not None:  # otherwise its constraint tells
        check.wrong("handle", TAKEN, Wrong.TAKEN)
    check.done()
    return account


@compiled
def _taken(*, handle: str) -> Declared[tuple[uuid.UUID]]:
    return query("SELECT id FROM people_person WHERE lower(handle) = lower(%(handle)s)", handle=handle)


def sign_in(*, handle: str, password: str) -> Account:
    """The account with these credentials. Raises `SignInFailed`, with the same message and timing whatever is wrong.

    Django's backend hashes the password for an unknown account too, so that timing reveals nothing.
    """
    account = authenticate(username=naming.as_typed(handle).lower(), password=password[: passwords.PASSWORD_CHARACTERS])
    if not isinstance(account, Account):
        raise SignInFailed
    return account


def new_token(account: Account, *, client: str = "") -> str:
    """Create a bearer token for the account. Only its digest is stored, so it can be read only now."""
    token = issue(account.pk)
    remember_token(account, token, client=client)
    return token


def remember_token(account: Account, token: str, *, client: str = "") -> None:
    """Store the token's digest for the account; `client` is the client's name for itself."""
    _add_token(digest=digest(token), account=account.pk, id=uuid7(), label=label_of(client), expires_at=token_expiry())


@compiled
def _add_token(
    *, digest: bytes, account: uuid.UUID, id: uuid.UUID, label: str, expires_at: datetime
) -> Declared[AccessToken]:
    return insert(AccessToken, digest=digest, account_id=account, public_id=id, label=label, expires_at=expires_at)


def token_expiry() -> datetime:
    """When a token that is created now expires."""
    return timezone.now() + timedelta(days=settings.TOKEN_DAYS)


def revoke_token(token: str) -> None:
    """Revoke the token."""
    _revoke_token(digest=digest(token))


@compiled
def _revoke_token(*, digest: bytes) -> Declared[AccessToken]:
    return delete_all(AccessToken.objects.filter(pk=digest))


def digest(token: str) -> bytes:
    """The SHA-256 of a token, which is what the database stores. Tokens are random, so a slow hash is not needed."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def update_profile(person_id: uuid.UUID, patch: Mapping[str, Any], seen: Expected, *, merge: bool) -> Outcome:
    """Set the fields in `patch`, if no field has changed since `seen`.

    With `merge` only the fields in `patch` must be unchanged, or have the wanted value already. The row is `person`.
    Raises `Conflict`, `Invalid`, and `Unauthenticated` if the person has left.
    """
    values = _checked_patch(patch)
    row = _set_profile(merge, person=person_id, values=Values(Person, values), seen=seen).row
    if row is not None:
        merged = merge and others_wrote(row, seen)
        return Outcome(Applied.MERGED if merged else Applied.WRITTEN, {"person": row})
    present = _explain(person_id, values, seen, merge=merge)
    beside = [group for group in every_group(Person) if group not in values]
    return already_so({"person": present}, unseen=changed_since(present, seen, beside))


@compiled
def _set_profile(merge: bool, *, person: uuid.UUID, values: Values, seen: Expected) -> Declared[Person]:
    clean = mergeable(Person, values, seen) if merge else unchanged(Person, seen, every_group(Person))
    return update(
        Person.objects.filter(~Q(**values), clean, pk=person, left_at__isnull=True),
        **values,
        **stamped_if_new(Person, values),
    )


def _checked_patch(patch: Mapping[str, Any]) -> dict[str, Any]:
    check = Checker()
    values: dict[str, Any] = {}
    if "name" in patch:
        values["name"] = naming.checked_name(check, "patch.name", patch["name"])
    if "bio" in patch:
        values["bio"] = check.text("patch.bio", patch["bio"], most=BIO_CHARACTERS, blank=True)
    if "show_mature" in patch:
        values["show_mature"] = patch["show_mature"]
        check.not_null("patch.showMature", patch["show_mature"])
    check.some("patch", values)
    check.done()
    return values


def _explain(person_id: uuid.UUID, values: Mapping[str, Any], seen: Expected, *, merge: bool) -> Person:
    """Explain why the write found no row: raises `Conflict`, `Unauthenticated`; else returns the profile, which already has
    the values.
    """
    person = queries.person(id=person_id).rows[0]
    if person.left_at is not None:
        raise Unauthenticated
    if is_so_already(person, values) and is_unchanged(person, seen, () if merge else every_group(Person)):
        return person
    overlaps = [
        FieldConflict(path, base=None, mine=mine, theirs=getattr(person, name))
        for name, mine in values.items()
        for path in shown_as(Person, name)
        if not seen.has_seen(getattr(person, f"{name}_changed")) and not (merge and is_so_already(person, {name: mine}))
    ]
    raise conflict(person, seen=seen, thing=("person", person_id), overlaps=overlaps, by=person_id)
