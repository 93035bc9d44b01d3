"""A person's tokens: listing and revoking them, and recording their use."""

import uuid

from django.db.models import Q
from django.db.models.functions import Now

from backend.engine.declarations import delete_all, query
from backend.engine.errors import NotFound
from backend.engine.statements import Declared, Result, compiled
from backend.people.models import LABEL_CHARACTERS, AccessToken
from backend.people.queries import IS_VIEWER
from backend.sources import Page as Sourced
from backend.sources import Row, Value

UNKNOWN_TOKEN = "There is no such token."


def hold(person: uuid.UUID) -> None:
    """Lock the person's row, so that they cannot leave until the unit of work ends. Call it before locking account or tokens.

    The request's idempotency key refers to the person too, and would lock them only at COMMIT, after the tokens: a deadlock
    with leaving, which locks them in this order.
    """
    _hold(person=person)


HOLD = "SELECT FROM people_person WHERE id = %(person)s FOR KEY SHARE"


@compiled
def _hold(*, person: uuid.UUID) -> Declared[tuple[()]]:
    return query(HOLD, person=person)


def note_use(digest: bytes) -> None:
    """Record that the token was used, at most once an hour; skipped if another request is doing it."""
    _note_use(digest=digest)


USED = """
UPDATE people_accesstoken SET last_used_at = now() WHERE digest = (
    SELECT digest FROM people_accesstoken
    WHERE digest = %(digest)s AND last_used_at < now() - interval '1 hour' FOR UPDATE SKIP LOCKED
)
"""


@compiled
def _note_use(*, digest: bytes) -> Declared[tuple[()]]:
    return query(USED, digest=digest)


def revoke(token_id: uuid.UUID, person: uuid.UUID) -> None:
    """Revoke one of the person's own tokens. Raises `NotFound`."""
    hold(person)
    if not _revoke(id=token_id, person=person).count:
        raise NotFound(UNKNOWN_TOKEN)


@compiled
def _revoke(*, id: uuid.UUID, person: uuid.UUID) -> Declared[AccessToken]:
    return delete_all(AccessToken.objects.filter(account_id=person, public_id=id, expires_at__gt=Now()))


def revoke_others(person: uuid.UUID, kept: bytes | None) -> Result[AccessToken]:
    """Revoke the person's tokens but the one with this digest; the result's count is how many."""
    return _revoke_others(person=person, kept=kept or b"")


@compiled
def _revoke_others(*, person: uuid.UUID, kept: bytes) -> Declared[AccessToken]:
    return delete_all(AccessToken.objects.filter(~Q(digest=kept), account_id=person))


def label_of(client: str) -> str:
    """The client's name for itself as it is stored: printable characters, shortened."""
    return "".join(filter(str.isprintable, client))[:LABEL_CHARACTERS].strip()


# --- Sources ----------------------------------------------------------------------------------------------------

SIGNS_IN = "token.account_id = $viewer AND token.expires_at > now()"
"""SQL: whether `token` signs the viewer in."""

BY_ID = Row(
    f"SELECT token.* FROM people_accesstoken AS token WHERE token.public_id = $key::uuid AND {SIGNS_IN}",
    type="AccessToken",
)

OF_PERSON = Sourced(
    "SELECT token.*, token.public_id AS id, token.created_at AS place_at FROM people_accesstoken AS token "
    f"WHERE {SIGNS_IN}$between $order",
    "token.created_at",
    "token.public_id",
    when=IS_VIEWER,
    is_local=True,
)
"""The tokens that sign this person in, newest first; private."""

IS_CURRENT = Value("coalesce($row.digest = $token::bytea, FALSE)")
