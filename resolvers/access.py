"""Who is asking: signing up, in and out, and what the signed-in may do."""

import uuid

from django.contrib.auth import login, logout
from django.http import HttpRequest

from backend.engine.errors import Invalid, Unauthenticated
from backend.engine.transactions import unit_of_work
from backend.engine.versions import Expected
from backend.limits.addresses import address_of
from backend.people import actions, attempts, queries
from backend.people.models import Account, Person
from resolvers.batches import gather


def bearer_token(request: HttpRequest) -> str | None:
    """The token of `Authorization: Bearer …`, or None without such a header."""
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def viewer_of(request: HttpRequest) -> Person | None:
    """Whom the request's token signs in, or else its session cookie. A token that is no good signs nobody in."""
    token = bearer_token(request)
    if token is not None:
        return queries.by_token(actions.digest(token))
    user = request.user
    return user.person if isinstance(user, Account) else None


def signed_in(viewer: Person | None, *, token: str | None = None) -> Person:
    """The viewer; raises `Unauthenticated` if nobody is signed in. `token` is the one that did not sign them in."""
    if viewer is None and token is not None:
        raise Unauthenticated(
            "This token signs nobody in: it is unknown, has been revoked or has expired. Sign in again."
        )
    if viewer is None:
        raise Unauthenticated
    return viewer


def sign_up(request: HttpRequest, *, handle: str, name: str, password: str) -> tuple[Person, str]:
    """A new person, signed in: the person and the bearer token."""
    attempts.count_sign_up(address_of(request))

    def work() -> tuple[Account, str]:
        account = actions.sign_up(handle=handle, name=name, password=password)
        return account, actions.new_token(account)

    return _signed_in_as(request, *unit_of_work(work))


def sign_in(request: HttpRequest, *, handle: str, password: str) -> tuple[Person, str]:
    """The person whose credentials these are, and a new bearer token."""
    address = address_of(request)
    attempts.count_sign_in(handle, address)
    account = actions.sign_in(handle=handle, password=password)

    def work() -> str:
        attempts.forgive_sign_in(handle, address)
        return actions.new_token(account)

    return _signed_in_as(request, account, unit_of_work(work))


def sign_out(request: HttpRequest) -> bool:
    """Revoke the request's token, and end its session; whether anybody was signed in."""
    was_signed_in = viewer_of(request) is not None
    token = bearer_token(request)
    if token is not None:
        unit_of_work(lambda: actions.revoke_token(token))
    if request.user.is_authenticated:
        logout(request)
    return was_signed_in


def _signed_in_as(request: HttpRequest, account: Account, token: str) -> tuple[Person, str]:
    """Sign a browser in by cookie as well: one that loaded our page and proves it with the CSRF token."""
    if getattr(request, "csrf_passed", False):
        login(request, account, backend="django.contrib.auth.backends.ModelBackend")
    person = account.person
    gather([person], person)
    return person, token


def expected(
    version: str | None, current: bool | None, after: uuid.UUID | None = None, *, may_be_anything: bool = False
) -> Expected:
    """What `expect` says. Raises `Invalid` for a version that no thing ever has, or `current` where it is not allowed."""
    if after is not None:
        return Expected(None, after)
    if version is not None:
        return Expected(version_number(version, "expect.version"))
    if current is not True:
        raise Invalid.one("expect.current", "must be true where it is given.")
    if not may_be_anything:
        raise Invalid.one("expect.current", "is not allowed here: name the version that you last saw.")
    return Expected(None)


def version_number(version: str, path: str) -> int:
    """What a version means. Raises `Invalid` for one that no thing ever has."""
    if not (version.isascii() and version.isdigit() and len(version) <= 18):
        raise Invalid.one(path, "is not a version that this server handed out.")
    return int(version)


def the_id(person: Person | None) -> uuid.UUID | None:
    """The viewer's id, or None when signed out."""
    return None if person is None else person.pk


def shows_mature(viewer: Person | None) -> bool:
    """Whether lists show the viewer stories for adults: only to those who have asked for it."""
    return viewer is not None and viewer.show_mature
