"""Leaky buckets in PostgreSQL: rate limits that are exact across all processes."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from math import ceil
from operator import itemgetter
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone
from django.utils.functional import cached_property

from backend.engine import committed, metrics
from backend.engine.errors import RateLimited
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


# Waits for a concurrent transaction on the same bucket, and then re-checks the row as that one left it.
FILL = """
INSERT INTO limits_bucket AS bucket (key, empty_at) VALUES (%(key)s, statement_timestamp() + %(drop)s)
ON CONFLICT (key) DO UPDATE SET empty_at = greatest(bucket.empty_at, statement_timestamp()) + %(drop)s
WHERE bucket.empty_at <= statement_timestamp() + %(room)s
"""
WAIT = "SELECT extract(epoch FROM empty_at - statement_timestamp() - %(room)s) FROM limits_bucket WHERE key = %(key)s"


def count(limits: Iterable[Limit]) -> None:
    """Count one event in each bucket; committed before this returns. Raises `RateLimited` if one is full; then none counts.

    Of several that are full it names the one with the longest wait, because before that the others do not help.
    """
    ordered = sorted(limits, key=lambda limit: limit.key)

    def work() -> None:
        after_ms, full = max(((_fill(limit), limit) for limit in ordered), key=itemgetter(0))
        if after_ms:
            metrics.LIMITED.labels(full.name).inc()
            raise RateLimited(full.name, after_ms=after_ms)

    with metrics.operation(OPERATION), committed.apart():
        unit_of_work(work)


def _fill(limit: Limit) -> int:
    """Count one event, or return in how many milliseconds there will be room for it."""
    drop = timedelta(seconds=limit.rate.seconds)
    values: dict[str, Any] = {"key": limit.key, "drop": drop, "room": drop * (limit.rate.burst - 1)}
    with connection.cursor() as cursor:
        cursor.execute(FILL, values)
        if cursor.rowcount:
            return 0
        cursor.execute(WAIT, values)
        (seconds,) = cursor.fetchone()
    return _milliseconds(seconds)


def _milliseconds(seconds: Decimal) -> int:
    """Rounded up, because after less there is no room; at least one, because there was none when it was looked."""
    return max(1, ceil(seconds * 1000))


LOCK = "SELECT FROM limits_bucket WHERE key = ANY(%s) ORDER BY key FOR UPDATE"
TAKE_BACK = "UPDATE limits_bucket SET empty_at = empty_at - %s WHERE key = %s"


def forgive(emptied: Limit, *limits: Limit) -> None:
    """Empty the first bucket, and take one event back from each of the others. Part of the caller's unit of work."""
    keys = [limit.key for limit in (emptied, *limits)]
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [keys])
        for limit in limits:
            drop: Any = timedelta(seconds=limit.rate.seconds)
            cursor.execute(TAKE_BACK, [drop, limit.key])
    Bucket.objects.filter(pk=emptied.key).delete()


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
