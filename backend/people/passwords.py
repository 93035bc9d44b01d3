"""Passwords: validating, checking and changing them."""

import uuid
from dataclasses import dataclass

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import connection

from backend.engine.errors import SignInFailed, WrongPassword
from backend.engine.text import Checker
from backend.people import tokens
from backend.people.models import Account

PASSWORD_CHARACTERS = 1_000
WRONG = "This is not your present password."

STILL = "SELECT FROM people_account WHERE person_id = %s AND password = %s AND is_active FOR SHARE"


def check(checker: Checker, path: str, password: str, account: Account) -> None:
    """Report to the checker what is wrong with a new password."""
    try:
        validate_password(password[:PASSWORD_CHARACTERS], account)
    except ValidationError as error:
        checker.wrong(path, " ".join(error.messages))
    if len(password) > PASSWORD_CHARACTERS:
        checker.wrong(path, f"is too long: at most {PASSWORD_CHARACTERS} characters.")


@dataclass(frozen=True)
class Change:
    """A prepared password change: the slow hashing is done before any lock is taken."""

    person_id: uuid.UUID
    checked: str | None
    """The stored hash that the present password matched; None if it was wrong."""
    wanted: str


def hash_if_right(account: Account, password: str) -> str | None:
    """The stored hash, if the password matches it; else None. Slow on purpose."""
    return account.password if check_password(password[:PASSWORD_CHARACTERS], account.password) else None


def prepared(person_id: uuid.UUID, current: str, new: str) -> Change:
    """Check the present password and hash the new one, before the unit of work. Raises `Invalid` for an unacceptable new
    password.
    """
    account = Account.objects.select_related("person").get(pk=person_id)
    checker = Checker()
    check(checker, "new", new, account)
    checker.done()
    return Change(person_id, hash_if_right(account, current), make_password(new))


def change(prepared: Change, *, kept: bytes | None) -> int:
    """Set the new password if the stored hash is still the one that was checked, and revoke all tokens but `kept`.

    Returns how many were revoked. A concurrent sign-in waits for the account's row lock, and is then checked against the new
    password. Raises `WrongPassword` for a wrong present password.
    """
    tokens.hold(prepared.person_id)
    unchanged = Account.objects.filter(pk=prepared.person_id, password=prepared.checked, is_active=True)
    if prepared.checked is None or not unchanged.update(password=prepared.wanted):
        raise WrongPassword(WRONG)
    return tokens.revoke_others(prepared.person_id, kept)


def hold(account: Account) -> None:
    """Lock the account, so that the checked password stays valid until the unit of work ends. Raises `SignInFailed` if it
    has changed.
    """
    with connection.cursor() as cursor:
        cursor.execute(STILL, [account.pk, account.password])
        if not cursor.rowcount:
            raise SignInFailed
