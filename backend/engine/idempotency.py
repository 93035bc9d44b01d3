"""Idempotency keys: one key, one effect, also across a crash between commit and reply.

The key's row is claimed first and filled last, in the same transaction as what it guards. So it is there exactly if
the effect is; a second request with the key waits on the row until the first has ended, and then replays its reply;
a refusal rolls the row back with everything else and is not stored.
"""

import enum
import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

import orjson
from django.apps import apps
from django.db import connection, models

from backend.engine.errors import Busy, Invalid, KeyReused, after_busy_ms
from backend.engine.models import IdempotencyKey
from backend.engine.transactions import unit_of_work


class Applied(enum.Enum):
    """What a successful request did."""

    WRITTEN = "WRITTEN"
    MERGED = "MERGED"
    NOOP = "NOOP"
    REPLAYED = "REPLAYED"


@dataclass(frozen=True)
class Outcome:
    """What a mutation made: the rows as they were at its commit, and plain facts about it."""

    applied: Applied
    rows: Mapping[str, models.Model] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    as_sent: bool = True
    """Whether what was written is what the caller sent; not so where others' changes went into the same text."""


@dataclass(frozen=True)
class Request:
    """Who wants what done: the part of a mutation that makes it the same request when it is sent again."""

    operation: str
    person_id: uuid.UUID
    key: uuid.UUID | None
    arguments: Mapping[str, Any]
    """Without `expect`: a retry after a conflict names another version, and is still the same intention."""

    def fingerprint(self) -> bytes:
        """SHA-256 of the operation and its arguments."""
        return hashlib.sha256(orjson.dumps([self.operation, self.arguments], option=orjson.OPT_SORT_KEYS)).digest()


def perform(request: Request, work: Callable[[], Outcome], **options: Any) -> Outcome:
    """Do `work` as one unit of work, once: a request whose key has been served gets the first outcome again.

    `options` go to `unit_of_work`. Raises `KeyReused` if the key was used for other arguments.
    """
    key = request.key
    if key is None:
        return unit_of_work(work, **options)

    def claim_then_work() -> Outcome:
        earlier = _claim(request, key)
        if earlier is not None:
            return earlier
        outcome = work()
        IdempotencyKey.objects.filter(person_id=request.person_id, key=key).update(reply=_dump(outcome))
        return outcome

    return unit_of_work(claim_then_work, **options)


CLAIM = """
INSERT INTO engine_idempotencykey (person_id, key, fingerprint, created_at)
VALUES (%s, %s, %s, statement_timestamp()) ON CONFLICT (person_id, key) DO NOTHING
"""


def _claim(request: Request, key: uuid.UUID) -> Outcome | None:
    """Claim the key and return None, or return the outcome that it already has.

    INSERT … ON CONFLICT waits for a rival that holds the key: if that one commits we read its reply, if it rolls
    back the key is ours.
    """
    fingerprint = request.fingerprint()
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [request.person_id, key, fingerprint])
        if cursor.rowcount:
            return None
    found = IdempotencyKey.objects.filter(person_id=request.person_id, key=key).first()
    if found is None:  # expired between the two statements
        raise Busy(after_ms=after_busy_ms())
    if bytes(found.fingerprint) != fingerprint:
        raise KeyReused
    return replace(_load(cast(dict[str, Any], found.reply)), applied=Applied.REPLAYED)


def outcome_of(person_id: uuid.UUID, key: uuid.UUID) -> Outcome:
    """What this person's mutation with this key made.

    Waits for one that is under way. Raises `Busy` where none has been served, because it may still be on its way here;
    `Invalid` for the key of the very request that asks.
    """
    served = IdempotencyKey.objects.filter(person_id=person_id, key=key)
    found = served.first()
    if found is None:
        with connection.cursor() as cursor:
            cursor.execute(CLAIM, [person_id, key, b""])  # waits as a second request with this key does
            if cursor.rowcount:  # it was nobody's; the refusal gives it back
                raise Busy(NOT_SERVED_YET, after_ms=after_busy_ms())
        found = served.get()
    if found.reply is None:
        raise Invalid.one("expect.after", "is the key of this same request.")
    return _load(cast(dict[str, Any], found.reply))


NOT_SERVED_YET = (
    "No mutation of yours with the key that `expect.after` names has succeeded yet. Nothing was written. If it is on its "
    "way, send this request again; if it was refused, send it again first."
)


def _dump(outcome: Outcome) -> dict[str, Any]:
    """The outcome as JSON: the first reply is given again as it was, whatever has happened to the rows since."""
    rows = {name: [row._meta.label_lower, _values(row)] for name, row in outcome.rows.items()}
    return {"applied": outcome.applied.value, "rows": rows, "facts": dict(outcome.facts)}


def _values(row: models.Model) -> dict[str, Any]:
    return {
        f.attname: f.value_to_string(row) for f in row._meta.concrete_fields if f.value_from_object(row) is not None
    }


def _load(reply: dict[str, Any]) -> Outcome:
    rows = {name: _row(label, values) for name, (label, values) in reply["rows"].items()}
    return Outcome(Applied(reply["applied"]), rows, reply["facts"])


def _row(label: str, values: dict[str, Any]) -> models.Model:
    model: type[models.Model] = apps.get_model(label)
    names = [f.attname for f in model._meta.concrete_fields]
    return model.from_db(None, names, [f.to_python(values.get(f.attname)) for f in model._meta.concrete_fields])


FORGET = """
DELETE FROM engine_idempotencykey WHERE (person_id, key) IN (
    SELECT person_id, key FROM engine_idempotencykey WHERE created_at < %s LIMIT %s FOR UPDATE SKIP LOCKED
)
"""


def forget_keys(before: datetime, *, batch: int = 1_000) -> int:
    """Forget the keys claimed before a moment, a batch at a time; returns how many. A request in flight keeps its own."""
    forgotten = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(FORGET, [before, batch])
            found: int = cursor.rowcount
            forgotten += found
            if found < batch:
                return forgotten


def forget_keys_of(person_id: uuid.UUID, most: int) -> bool:
    """Forget so many keys of somebody who has left, with the replies; whether there may be more."""
    keys = IdempotencyKey.objects.filter(person_id=person_id)
    return bool(keys.filter(key__in=list(keys.order_by("key").values_list("key", flat=True)[:most])).delete()[0])
