"""Passwords: validating, checking and changing them.

Every way to change one is `change`: by the API, by the admin's page, and by `manage.py changepassword`.
"""

import uuid
from dataclasses import dataclass

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from backend.engine.declarations import query, update_all
from backend.engine.errors import SignInFailed, Wrong, WrongPassword
from backend.engine.statements import Declared, compiled
from backend.engine.text import Checker
from backend.people import attempts, tokens
from backend.people.models import Account

PASSWORD_CHARACTERS = 1_000
WRONG = "This is not your present password."


CODES = {
    "password_too_short": Wrong.TOO_SHORT,
    "password_too_common": Wrong.TOO_COMMON,
    "password_too_similar": Wrong.TOO_SIMILAR,
    "password_entirely_numeric": Wrong.ONLY_DIGITS,
}
"""What Django's validators find, by their codes."""


def check(checker: Checker, path: str, password: str, account: Account) -> None:
    """Report to the checker what is wrong with a new password."""
    try:
        validate_password(password[:PASSWORD_CHARACTERS], account)
    except ValidationError as error:
        for one in error.error_list:
            checker.wrong(path, " ".join(one.messages), CODES[one.code or ""], (one.params or {}).get("min_length"))
    if len(password) > PASSWORD_CHARACTERS:
        checker.wrong(
            path, f"is too long: at most {PASSWORD_CHARACTERS} characters.", Wrong.TOO_LONG, PASSWORD_CHARACTERS
        )


@dataclass(frozen=True)
class Change:
    """A prepared password change: the slow hashing is done before any lock is taken."""

    person_id: uuid.UUID
    checked: str | None
    """The stored hash that the present password matched; None if it was wrong."""
    wanted: str
    attempt: tuple[str, str] | None = None
    """The handle and the address for which the attempt was counted; None if no present password was asked for."""


def hash_if_right(account: Account, password: str) -> str | None:
    """The stored hash, if the password matches it; else None. Slow on purpose."""
    return account.password if check_password(password[:PASSWORD_CHARACTERS], account.password) else None


def prepared(account: Account, current: str, new: str, *, address: str) -> Change:
    """Check the present password and hash the new one, before the unit of work.

    Counts as an attempt to sign in from this address. Raises `RateLimited`, and `Invalid` for an unacceptable new password,
    which is no attempt.
    """
    _require_acceptable(account, new)
    attempts.count_sign_in(account.login, address)
    return Change(account.pk, hash_if_right(account, current), make_password(new), (account.login, address))


def prepared_by_operator(account: Account, new: str) -> Change:
    """Hash a new password that whoever runs the server sets. Raises `Invalid` for an unacceptable one."""
    _require_acceptable(account, new)
    return Change(account.pk, account.password, make_password(new))


def _require_acceptable(account: Account, new: str) -> None:
    checker = Checker()
    check(checker, "new", new, account)
    checker.done()


def change(prepared: Change, *, kept: bytes | None) -> int:
    """Set the new password if the stored hash is still the one that was checked, and revoke all tokens but `kept`.

    Returns how many were revoked. A concurrent sign-in waits for the account's row lock, and is then checked against the new
    password. Sessions end with the password, because each holds a digest of its hash. Raises `WrongPassword` for a wrong
    present password.
    """
    if prepared.attempt is not None:
        attempts.forgive_sign_in(*prepared.attempt)
    tokens.hold(prepared.person_id)
    changed = _change(person=prepared.person_id, checked=prepared.checked, wanted=prepared.wanted)
    revoked = tokens.revoke_others(prepared.person_id, kept)
    if not changed.count:
        raise WrongPassword(WRONG)
    return revoked.count


@compiled
def _change(*, person: uuid.UUID, checked: str | None, wanted: str) -> Declared[Account]:
    return update_all(Account.objects.filter(pk=person, password=checked, is_active=True), password=wanted)


def hold(account: Account) -> None:
    """Lock the account, so that the checked password stays valid until the unit of work ends. Raises `SignInFailed` if it
    has changed.
    """
    if not _hold(person=account.pk, password=account.password).count:
        raise SignInFailed


STILL = "SELECT FROM people_account WHERE person_id = %(person)s AND password = %(password)s AND is_active FOR SHARE"


@compiled
def _hold(*, person: uuid.UUID, password: str) -> Declared[tuple[()]]:
    return query(STILL, person=person, password=password)
