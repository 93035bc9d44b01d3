"""A person's tokens: listing and revoking them, and recording their use."""

import uuid
from collections.abc import Iterable

from django.db import connection
from django.db.models.functions import Now

from backend.engine.errors import NotFound
from backend.pages import Page, Window
from backend.people.models import LABEL_CHARACTERS, AccessToken

UNKNOWN_TOKEN = "There is no such token."

COLUMNS = "token.*, token.public_id AS id, token.created_at AS place_at"

OF_PERSON = f"""
SELECT {COLUMNS} FROM people_accesstoken AS token
WHERE token.account_id = %s AND token.expires_at > now(){{between}} {{order}}
"""

BY_IDS = f"""
SELECT {COLUMNS} FROM people_accesstoken AS token
WHERE token.account_id = %s AND token.expires_at > now() AND token.public_id = ANY(%s)
"""

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


def of_person(person: uuid.UUID, window: Window) -> Page[AccessToken]:
    """The tokens that sign this person in, newest first."""
    at, id_ = "token.created_at", "token.public_id"
    between, places = window.condition(at, id_)
    sql = OF_PERSON.format(between=between, order=window.order(at, id_))
    return Page.of(AccessToken.objects.raw(sql, [person, *places]), window)


def by_ids(ids: Iterable[uuid.UUID], *, person: uuid.UUID) -> dict[uuid.UUID, AccessToken]:
    """The tokens among these ids that sign this person in, in one query."""
    return {row.public_id: row for row in AccessToken.objects.raw(BY_IDS, [person, list(ids)])}


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
