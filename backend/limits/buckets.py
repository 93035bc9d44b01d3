"""Leaky buckets in PostgreSQL: rate limits that are exact across all processes."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from math import ceil
from operator import itemgetter

from django.conf import settings
from django.db import connection
from django.db.models import F
from django.utils import timezone
from django.utils.functional import cached_property

from backend.engine import committed, metrics
from backend.engine.declarations import delete_all, query, update_all
from backend.engine.errors import RateLimited
from backend.engine.statements import Declared, Result, compiled
from backend.engine.transactions import unit_of_work
from backend.limits.models import Bucket
from backend.limits.rates import Rate

OPERATION = "limit"
"""The operation under which metrics count these transactions; they are not part of the mutation's own."""

MAX_FORGOTTEN = 10_000
"""Rows deleted in one transaction."""


@dataclass(frozen=True)
class Limit:
    """One bucket: the name of the limit, who it is for, and its rate."""

    name: str
    whose: str
    rate: Rate

    @cached_property
    def key(self) -> bytes:
        """The key of the bucket's row."""
        text = f"{self.name}\0{self.whose}".encode("utf-8", "surrogatepass")
        return hmac.digest(settings.SECRET_KEY.encode(), text, hashlib.sha256)

    @property
    def drop(self) -> timedelta:
        """By how much later the bucket is empty for each event."""
        return timedelta(seconds=self.rate.seconds)

    @property
    def room(self) -> timedelta:
        """How full it may be, so that one more event has room."""
        return self.drop * (self.rate.burst - 1)


def count(limits: Iterable[Limit]) -> None:
    """Count one event in each bucket; committed before this returns. Raises `RateLimited` if one is full; then none counts.

    Of several that are full it names the one with the longest wait, because before that the others do not help.
    """
    ordered = sorted(limits, key=lambda limit: limit.key)

    def work() -> None:
        require_room(*[fill(limit) for limit in ordered])

    with metrics.operation(OPERATION), committed.apart():
        unit_of_work(work)


Filled = tuple[Limit, Result[tuple[()]]]
"""A bucket, and whether there was room in it."""


def fill(limit: Limit) -> Filled:
    """Count one event as part of the caller's unit of work, so that it counts only if that is committed.

    The bucket stays locked until then. The caller looks at `require_room`.
    """
    return limit, _fill(key=limit.key, drop=limit.drop, room=limit.room)


def require_room(*filled: Filled) -> None:
    """Raise `RateLimited` if one of these was full; of several it names the one with the longest wait."""
    full = [limit for limit, result in filled if not result.count]
    waits = [(limit, _wait(key=limit.key, room=limit.room)) for limit in full]
    if waits:
        after_ms, longest = max(((_milliseconds(*wait.rows[0]), limit) for limit, wait in waits), key=itemgetter(0))
        metrics.LIMITED.labels(longest.name).inc()
        raise RateLimited(longest.name, after_ms=after_ms)


# Waits for a concurrent transaction on the same bucket, and then re-checks the row as that one left it.
FILL = """
INSERT INTO limits_bucket AS bucket (key, empty_at) VALUES (%(key)s, statement_timestamp() + %(drop)s)
ON CONFLICT (key) DO UPDATE SET empty_at = greatest(bucket.empty_at, statement_timestamp()) + %(drop)s
WHERE bucket.empty_at <= statement_timestamp() + %(room)s
"""
WAIT = "SELECT extract(epoch FROM empty_at - statement_timestamp() - %(room)s) FROM limits_bucket WHERE key = %(key)s"


@compiled
def _fill(*, key: bytes, drop: timedelta, room: timedelta) -> Declared[tuple[()]]:
    return query(FILL, key=key, drop=drop, room=room)


@compiled
def _wait(*, key: bytes, room: timedelta) -> Declared[tuple[Decimal]]:
    return query(WAIT, key=key, room=room)


def _milliseconds(seconds: Decimal) -> int:
    """Rounded up, because after less there is no room; at least one, because there was none when it was looked."""
    return max(1, ceil(seconds * 1000))


def forgive(emptied: Limit, *limits: Limit) -> None:
    """Empty the first bucket, and take one event back from each of the others. Part of the caller's unit of work."""
    _lock(keys=[limit.key for limit in (emptied, *limits)])
    for limit in limits:
        _take_back(key=limit.key, drop=limit.drop)
    _empty(key=emptied.key)


@compiled
def _lock(*, keys: list[bytes]) -> Declared[tuple[()]]:
    return query("SELECT FROM limits_bucket WHERE key = ANY(%(keys)s) ORDER BY key FOR UPDATE", keys=keys)


@compiled
def _take_back(*, key: bytes, drop: timedelta) -> Declared[Bucket]:
    return update_all(Bucket.objects.filter(pk=key), empty_at=F("empty_at") - drop)


@compiled
def _empty(*, key: bytes) -> Declared[Bucket]:
    return delete_all(Bucket.objects.filter(pk=key))


FORGET = """
DELETE FROM limits_bucket WHERE key IN (
  SELECT key FROM limits_bucket WHERE empty_at < %s ORDER BY key LIMIT %s FOR UPDATE SKIP LOCKED
) AND empty_at < %s
"""


def forget_empty() -> int:
    """Delete the buckets that are empty; returns how many."""
    now, removed = timezone.now(), 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(FORGET, [now, MAX_FORGOTTEN, now])
            removed += cursor.rowcount
            if cursor.rowcount < MAX_FORGOTTEN:
                return removed
