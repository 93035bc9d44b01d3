"""Idempotency keys: one key, one effect, also across a crash between commit and reply.

The key's row is inserted first and filled with the reply last, in the same transaction as the write. So the row exists
exactly if the write does. A second request with the key waits for the row lock until the first has ended, and then
replays its reply. A refusal rolls the row back with everything else, so refusals are not stored.

A replay is the moment of the first reply: its rows are as they were, with the versions that the write made, and so is all
that these versions cover. So whoever goes on from it meets a conflict if others have written since, as with the first reply,
and overwrites nothing unseen. What no version of it covers is read anew, in one snapshot. If a row is there no more, there
is nothing to go on from, and the answer says so (`resolvers.replays`).
"""

import enum
import hashlib
import uuid
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import orjson
from django.apps import apps
from django.db import connection, models

from backend.engine.declarations import delete_all, query, select, update_all
from backend.engine.errors import Busy, Invalid, KeyReused, after_busy_ms
from backend.engine.models import IdempotencyKey
from backend.engine.removal import removing
from backend.engine.statements import Declared, Json, compiled


class Applied(enum.Enum):
    """What a successful request did.

    WRITTEN: the values were written as sent. NOOP: nothing was written, because all of them were stored already. Neither hides
    anything: where the caller could go on from a value that others have changed and the caller has not seen, it is MERGED.
    MERGED: others' values were kept beside the caller's, or their text was merged with the caller's; what is stored is in the
    answer. It is MERGED also if nothing was left to write. REPLAYED: the reply is that of an earlier request with this key.
    """

    WRITTEN = "WRITTEN"
    MERGED = "MERGED"
    NOOP = "NOOP"
    REPLAYED = "REPLAYED"


class Outcome(NamedTuple):
    """The result of a mutation: its rows as they were at the commit, and plain facts about it."""

    applied: Applied
    rows: Mapping[str, models.Model] = MappingProxyType({})
    facts: Mapping[str, Any] = MappingProxyType({})
    sent: Mapping[str, Any] = MappingProxyType({})
    """The texts that the caller sent, which may be merged with those of others."""
    is_own: bool = True
    """Whether this write made the row's version, with the texts as sent; False if nothing was written, or texts were merged."""


def already_so(
    rows: Mapping[str, models.Model], *, unseen: Collection[str], sent: Mapping[str, Any] = MappingProxyType({})
) -> Outcome:
    """The outcome of a write whose values are all stored already. `unseen` are other groups that others have changed, so that
    the caller has to be shown the row.
    """
    return Outcome(Applied.MERGED if unseen else Applied.NOOP, rows, sent=sent, is_own=False)


class Used(Exception):
    """The key was used already. What was sent with the claim is rolled back."""


def fingerprint_of(operation: str, arguments: Mapping[str, Any]) -> bytes:
    """SHA-256 of an operation and its arguments."""
    option = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS
    return hashlib.sha256(orjson.dumps([operation, arguments], default=asdict, option=option)).digest()


def claim(person_id: uuid.UUID, key: uuid.UUID, fingerprint: bytes) -> None:
    """Claim the key, or raise `Used` before anything that is sent after it has a result.

    INSERT … ON CONFLICT waits for a concurrent transaction with the same key. If that commits, the key is used; if it rolls
    back, the key is claimed.
    """
    _claim(person=person_id, key=key, fingerprint=fingerprint).check(_require_claimed)


def _require_claimed(claimed: int) -> None:
    if not claimed:
        raise Used


@compiled
def _claim(*, person: uuid.UUID, key: uuid.UUID, fingerprint: bytes) -> Declared[Any]:
    return query(CLAIM, person=person, key=key, fingerprint=fingerprint)


CLAIM = """
INSERT INTO engine_idempotencykey (person_id, key, fingerprint, created_at)
VALUES (%(person)s, %(key)s, %(fingerprint)s, statement_timestamp()) ON CONFLICT (person_id, key) DO NOTHING
"""


def reply(person_id: uuid.UUID, key: uuid.UUID, outcome: Outcome) -> None:
    """Store the outcome with the claimed key."""
    _reply(person=person_id, key=key, reply=_dump(outcome))


@compiled
def _reply(*, person: uuid.UUID, key: uuid.UUID, reply: Json) -> Declared[Any]:
    return update_all(IdempotencyKey.objects.filter(person_id=person, key=key), reply=reply)


@compiled
def _key(*, person: uuid.UUID, key: uuid.UUID) -> Declared[IdempotencyKey]:
    return select(IdempotencyKey.objects.filter(person_id=person, key=key))


def replay(person_id: uuid.UUID, key: uuid.UUID, fingerprint: bytes) -> Outcome:
    """The first outcome of a request whose key was used. Raises `KeyReused` if it was used for another one."""
    found = _key(person=person_id, key=key).row
    if found is None:  # expired since it was found to be used
        raise Busy(after_ms=after_busy_ms())
    if bytes(found.fingerprint) != fingerprint:
        raise KeyReused
    return _load(cast(dict[str, Any], found.reply))._replace(applied=Applied.REPLAYED)


def outcome_of(person_id: uuid.UUID, key: uuid.UUID) -> Outcome:
    """The outcome of this person's mutation with this key.

    Waits for one that is in progress. Raises `Busy` if there is none, because it may still arrive, and `Invalid` for
    the key of the current request itself.
    """
    found = _key(person=person_id, key=key).row
    if found is None:
        if _claim(person=person_id, key=key, fingerprint=b"").count:  # waits like a second request with this key
            # The key was free; the refusal rolls this claim back.
            raise Busy(NOT_SERVED_YET, after_ms=after_busy_ms(), cause="the write that `after` names is not served yet")
        found = _key(person=person_id, key=key).row
    if found is None:  # expired since it was found to be used
        raise Busy(after_ms=after_busy_ms())
    if found.reply is None:
        raise Invalid.one("expect.after", "is the key of this same request.")
    return _load(cast(dict[str, Any], found.reply))


NOT_SERVED_YET = (
    "No mutation of yours with the key that `expect.after` names has succeeded yet. Nothing was written. If it is on its "
    "way, send this request again; if it was refused, send it again first."
)


def _dump(outcome: Outcome) -> dict[str, Any]:
    """The outcome as JSON: a replay returns the rows as they were then, whatever has changed since."""
    rows = {name: [row._meta.label_lower, _values(row)] for name, row in outcome.rows.items()}
    return {"applied": outcome.applied.value, "rows": rows, "facts": dict(outcome.facts)}


def _values(row: models.Model) -> dict[str, Any]:
    names = [field.attname for field in row._meta.concrete_fields]
    return {name: value for name in names if (value := getattr(row, name)) is not None}


def _load(reply: dict[str, Any]) -> Outcome:
    rows = {name: _row(label, values) for name, (label, values) in reply["rows"].items()}
    return Outcome(Applied(reply["applied"]), rows, reply["facts"])


def _row(label: str, values: dict[str, Any]) -> models.Model:
    model: type[models.Model] = apps.get_model(label)
    names = [f.attname for f in model._meta.concrete_fields]
    return model.from_db(None, names, [f.to_python(values.get(f.attname)) for f in model._meta.concrete_fields])


FORGET = f"""
DELETE FROM engine_idempotencykey WHERE (person_id, key) IN (
    SELECT person_id, key FROM engine_idempotencykey WHERE created_at < %s
    ORDER BY created_at LIMIT %s FOR UPDATE SKIP LOCKED
) AND {removing("engine_idempotencykey")}
"""


def forget_keys(before: datetime, *, batch: int = 1_000) -> int:
    """Delete the keys claimed before a moment, in batches; returns how many. The key of a request in progress is kept."""
    forgotten = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(FORGET, [before, batch])
            found: int = cursor.rowcount
            forgotten += found
            if found < batch:
                return forgotten


def forget_keys_of(person_id: uuid.UUID, limit: int) -> bool:
    """Delete up to so many keys of a person who has left, with the replies; returns whether there may be more."""
    keys = IdempotencyKey.objects.filter(person_id=person_id)
    some = list(keys.order_by("key").values_list("key", flat=True)[:limit])
    return bool(delete_all(keys.filter(key__in=some)).run().count)
