"""Authentication: who is asking; signing up, in and out; password and account."""

import logging
import uuid

from django.contrib.auth import login, logout, update_session_auth_hash
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from backend.engine import committed, metrics
from backend.engine.errors import Forbidden, RateLimited, Refusal, Unauthenticated
from backend.engine.idempotency import Applied, Outcome
from backend.engine.mutations import Mutation, perform
from backend.engine.refusal_log import log_refusal
from backend.engine.transactions import unit_of_work
from backend.engine.versions import Expected
from backend.erasure import leaving
from backend.limits.addresses import address_of
from backend.moderation import queries as moderation
from backend.people import actions, attempts, passwords, queries, tokens
from backend.people.models import Account, Person
from backend.stories.actions import make_shelf
from resolvers.work import shown_to

log = logging.getLogger("katha")

DEAD_TOKEN = "This token signs nobody in: it is unknown, has been revoked or has expired. Sign in again."


def bearer_token(request: HttpRequest) -> str | None:
    """The token of `Authorization: Bearer …`, or None without such a header."""
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def viewer_of(request: HttpRequest) -> Person | None:
    """The person signed in by the request's token, or else by its session cookie. With an invalid token, nobody."""
    token = bearer_token(request)
    if token is not None:
        return queries.by_token(actions.digest(token)).row
    user = request.user
    return user.person if isinstance(user, Account) else None


def digest_of(request: HttpRequest) -> bytes | None:
    """The digest of the request's token, or None without one."""
    token = bearer_token(request)
    return None if token is None else actions.digest(token)


def note_use(request: HttpRequest) -> None:
    """Record that the request's token was used. A failure is only logged; the next request tries again.

    It is no write that the request asked for: a query that is broken off afterwards has written nothing.
    """
    digest = digest_of(request)
    if digest is not None:
        try:
            with committed.apart():
                unit_of_work(lambda: tokens.note_use(digest))
        except Refusal as refusal:
            log_refusal(refusal)
        except (DatabaseError, InterfaceError) as error:
            log.error("the use of a token could not be recorded", exc_info=error)


def signed_in(viewer: Person | None, *, with_token: bool = False) -> Person:
    """The viewer. Raises `Unauthenticated` if nobody is signed in, which is told of the token if one was sent."""
    if viewer is None and with_token:
        raise Unauthenticated(DEAD_TOKEN)
    if viewer is None:
        raise Unauthenticated
    return viewer


def is_moderator(viewer: Person | None) -> bool:
    """Whether the viewer is a moderator; looked up once for each request."""
    if viewer is None:
        return False
    if "moderates" not in vars(viewer):
        viewer.moderates = moderation.is_moderator(viewer.id)  # type: ignore[attr-defined]
    return viewer.moderates  # type: ignore[attr-defined]


def hold_moderator(me: Person, against: moderation.Against | None = None) -> None:
    """As `must_moderate`, and nobody takes the role from them until the unit of work ends. See `moderation.hold_moderator`."""

    def note() -> None:
        me.moderates = True  # type: ignore[attr-defined]

    moderation.hold_moderator(me.id, note, against)


def must_moderate(me: Person) -> None:
    """Raise `Forbidden` unless the person is a moderator."""
    if not is_moderator(me):
        raise Forbidden(moderation.NOT_A_MODERATOR)


def sign_up(request: HttpRequest, *, handle: str, name: str, password: str) -> tuple[Person, str]:
    """Create a person and sign them in; returns the person and a bearer token."""
    _may_hash(request)
    attempts.count_sign_up(address_of(request))

    def work() -> tuple[Account, str]:
        account = actions.sign_up(handle=handle, name=name, password=password)
        make_shelf(account.pk)
        return account, actions.new_token(account, client=_client(request))

    return _signed_in_as(request, *unit_of_work(work))


def sign_in(request: HttpRequest, *, handle: str, password: str) -> tuple[Person, str]:
    """Sign in by handle and password; returns the person and a new bearer token."""
    _may_hash(request)
    address = address_of(request)
    attempts.count_sign_in(handle, address)
    account = actions.sign_in(handle=handle, password=password)

    def work() -> str:
        attempts.forgive_sign_in(handle, address)
        person = queries.person(id=account.pk)
        passwords.hold(account)
        account.person = person.rows[0]
        return actions.new_token(account, client=_client(request))

    return _signed_in_as(request, account, unit_of_work(work))


def sign_out(request: HttpRequest) -> bool:
    """Revoke the request's token and end its session; returns whether anybody was signed in."""
    was_signed_in = viewer_of(request) is not None or request.user.is_authenticated
    token = bearer_token(request)
    if token is not None:
        unit_of_work(lambda: actions.revoke_token(token))
    if request.user.is_authenticated:
        logout(request)
    return was_signed_in


def change_password(
    request: HttpRequest, me: Person, *, current: str, new: str, key: uuid.UUID | None
) -> tuple[Outcome, Person]:
    """Change the viewer's password; revokes all their tokens and sessions but those of this request. Returns also all of `me`."""
    _may_hash(request)
    person, account = queries.person(id=me.id), queries.account(person=me.id).rows[0]
    change = passwords.prepared(account, current, new, address=address_of(request))

    def work(_seen: Expected) -> Outcome:
        return Outcome(Applied.WRITTEN, facts={"revoked": passwords.change(change, kept=digest_of(request))})

    # The idempotency key is stored with a hash of its arguments. For passwords it must be keyed, or it could be brute-forced.
    sent = salted_hmac("changePassword", f"{current}\0{new}", algorithm="sha256").hexdigest()
    outcome = perform(Mutation("changePassword", me.id, key, {"passwords": sent}, work))
    if bearer_token(request) is None and isinstance(request.user, Account) and outcome.applied is Applied.WRITTEN:
        request.user.refresh_from_db()
        update_session_auth_hash(request, request.user)
        _save_session(request)
    return outcome, shown_to(person.rows[0], me)


def delete_account(request: HttpRequest, me: Person, *, password: str, key: uuid.UUID | None) -> Outcome:
    """Delete the viewer's account: hidden from everybody at once; a job deletes the data."""
    _may_hash(request)
    leave = leaving.prepared(me.id, password, address=address_of(request))

    def work(_seen: Expected) -> Outcome:
        leaving.leave(leave)
        return Outcome(Applied.WRITTEN)

    sent = salted_hmac("deleteAccount", password, algorithm="sha256").hexdigest()
    outcome = perform(Mutation("deleteAccount", me.id, key, {"password": sent}, work))
    if request.user.is_authenticated:
        logout(request)
    return outcome


def _may_hash(request: HttpRequest) -> None:
    """Raise `RateLimited` if the server has too many passwords to hash. Nothing is counted or looked up for the request."""
    refusal: RateLimited | None = getattr(request, "hashing_refusal", None)
    if refusal is not None:
        metrics.LIMITED.labels(refusal.limit).inc()
        raise refusal


def _save_session(request: HttpRequest) -> None:
    """Save the session now, not after the response was made, so that an error becomes part of the answer."""
    request.session.write()  # type: ignore[attr-defined]


def _client(request: HttpRequest) -> str:
    client: str = request.META.get("HTTP_USER_AGENT", "")
    return client


def _signed_in_as(request: HttpRequest, account: Account, token: str) -> tuple[Person, str]:
    """Also sign in by session cookie, if the browser proved by the CSRF token that it loaded our page."""
    if getattr(request, "csrf_passed", False):
        login(request, account, backend="django.contrib.auth.backends.ModelBackend")
        _save_session(request)
    person = account.person
    shown_to(person, person)
    return person, token
