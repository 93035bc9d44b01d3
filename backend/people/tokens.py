"""A person's tokens: listing and revoking them, and recording their use."""

import uuid

from django.db import connection
from django.db.models.functions import Now

from backend.engine.errors import NotFound
from backend.people.models import LABEL_CHARACTERS, AccessToken
from backend.people.queries import IS_VIEWER
from backend.sources import Page as Sourced
from backend.sources import Row, Value

UNKNOWN_TOKEN = "There is no such token."


USED = """
UPDATE people_accesstoken SET last_used_at = now() WHERE digest = (
    SELECT digest FROM people_accesstoken
    WHERE digest = %s AND last_used_at < now() - interval '1 hour' FOR UPDATE SKIP LOCKED
)
"""


HOLD = "SELECT FROM people_person WHERE id = %s FOR KEY SHARE"


def hold(person: uuid.UUID) -> None:
    """Lock the person's row, so that they cannot leave until the unit of work ends. Call it before locking account or tokens.

    The request's idempotency key refers to the person too, and would lock them only at COMMIT, after the tokens: a deadlock
    with leaving, which locks them in this order.
    """
    with connection.cursor() as cursor:
        cursor.execute(HOLD, [person])


def note_use(digest: bytes) -> None:
    """Record that the token was used, at most once an hour; skipped if another request is doing it."""
    with connection.cursor() as cursor:
        cursor.execute(USED, [digest])


def revoke(token_id: uuid.UUID, person: uuid.UUID) -> None:
    """Revoke one of the person's own tokens. Raises `NotFound`."""
    hold(person)
    if not AccessToken.objects.filter(account_id=person, public_id=token_id, expires_at__gt=Now()).delete()[0]:
        raise NotFound(UNKNOWN_TOKEN)


def revoke_others(person: uuid.UUID, kept: bytes | None) -> int:
    """Revoke the person's tokens but the one with this digest; returns how many."""
    return AccessToken.objects.filter(account_id=person).exclude(digest=kept or b"").delete()[0]


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
