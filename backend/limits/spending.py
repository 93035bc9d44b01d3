"""Limits the cost of requests per minute by person or address, in memory, for each process.

A request with a token counts for the token's person, but only once the token has proved valid; otherwise a client could
invent a new token for each request. Until then, and for signed-out clients, the address counts.
"""

import hashlib
import threading
import time
from collections import OrderedDict
from math import ceil
from typing import Final

from django.conf import settings
from django.http import HttpRequest

from backend.engine import metrics
from backend.engine.errors import RateLimited
from backend.limits.addresses import address_of

LIMIT = "cost"
MAX_REMEMBERED = 10_000
"""How many buckets, and how many tokens, one process remembers; the least recently used are dropped first."""

MINUTE = 60.0

Key = bytes | str


TOO_MUCH = "Too much has been asked for lately. Wait, then send the same again."


class Spending:
    """Leaky buckets for the cost of one minute, each stored as the time when it will be empty."""

    def __init__(self) -> None:
        self._empty_at: OrderedDict[Key, float] = OrderedDict()
        self._owners: OrderedDict[bytes, str] = OrderedDict()
        """The person of each token, by the token's digest."""
        self._lock = threading.Lock()

    def spend(self, key: Key, cost: int, a_minute: int, *, now: float | None = None) -> None:
        """Count this cost. Raises `RateLimited` if it exceeds the limit; then it is not counted.

        A request that costs more than a minute's limit is allowed if the bucket is empty; later requests wait until it
        has drained.
        """
        now = time.monotonic() if now is None else now
        with self._lock:
            begun = max(self._empty_at.pop(key, now), now)
            empty_at = begun + cost * MINUTE / a_minute
            over = min(begun - now, empty_at - now - MINUTE)
            self._empty_at[key] = begun if over > 0 else empty_at
            while len(self._empty_at) > MAX_REMEMBERED:
                self._empty_at.popitem(last=False)
        if over > 0:
            raise RateLimited(LIMIT, TOO_MUCH, after_ms=ceil(over * 1000))

    def owner(self, digest: bytes) -> str | None:
        """The person whom this token signs in, if known."""
        return self._owners.get(digest)

    def learn(self, digest: bytes, owner: str | None) -> None:
        """Remember whom a token signs in; None if it is no longer valid."""
        with self._lock:
            self._owners.pop(digest, None)
            if owner is not None:
                self._owners[digest] = owner
            while len(self._owners) > MAX_REMEMBERED:
                self._owners.popitem(last=False)


SPENDING: Final = Spending()
"""The buckets of this process."""


def spend(request: HttpRequest, token: str | None, cost: int) -> None:
    """Count the cost of a request for its person or address. Raises `RateLimited`. Does nothing if `COST_A_MINUTE` is 0."""
    if not settings.COST_A_MINUTE:
        return
    owner = None if token is None else SPENDING.owner(_digest(token))
    try:
        SPENDING.spend(owner or address_of(request), cost, settings.COST_A_MINUTE)
    except RateLimited:
        metrics.LIMITED.labels(LIMIT).inc()
        raise


def learn(token: str, owner: str | None) -> None:
    """Remember whom a request's token signed in."""
    if settings.COST_A_MINUTE:
        SPENDING.learn(_digest(token), owner)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
