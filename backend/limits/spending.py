"""How much of the server's work one person, or one address, may ask for: the cost of requests, counted in this process.

What is asked with a token counts for the person whom it signs in; but a token is only believed once it has done so, or
else everybody could make up a new one for each request. Until then, and for whoever is signed out, the address counts.
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
"""Buckets, and tokens, that one process remembers. Whoever has been quiet longest is forgotten first."""

MINUTE = 60.0

Key = bytes | str


TOO_MUCH = "Too much has been asked for lately. Wait, then send the same again."


class Spending:
    """Leaky buckets that hold as much as may be spent in a minute, each kept as the moment when it is empty."""

    def __init__(self) -> None:
        self._empty_at: OrderedDict[Key, float] = OrderedDict()
        self._owners: OrderedDict[bytes, str] = OrderedDict()
        """Whom tokens have signed in, by the tokens' digests."""
        self._lock = threading.Lock()

    def spend(self, key: Key, cost: int, a_minute: int, *, now: float | None = None) -> None:
        """Count this cost, unless it does not fit any more. Raises `RateLimited`: then it is not counted.

        What costs more than a minute has fits an empty bucket all the same, and is paid off afterwards.
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
        """Whom this token has signed in."""
        return self._owners.get(digest)

    def learn(self, digest: bytes, owner: str | None) -> None:
        """Remember whom a token signs in; None if nobody any more."""
        with self._lock:
            self._owners.pop(digest, None)
            if owner is not None:
                self._owners[digest] = owner
            while len(self._owners) > MAX_REMEMBERED:
                self._owners.popitem(last=False)


SPENDING: Final = Spending()
"""Of this process."""


def spend(request: HttpRequest, token: str | None, cost: int) -> None:
    """Count the cost of a request for whoever sends it. Raises `RateLimited`. Nothing is limited unless the setting says so."""
    if not settings.COST_A_MINUTE:
        return
    owner = None if token is None else SPENDING.owner(_digest(token))
    try:
        SPENDING.spend(owner or address_of(request), cost, settings.COST_A_MINUTE)
    except RateLimited:
        metrics.LIMITED.labels(LIMIT).inc()
        raise


def learn(token: str, owner: str | None) -> None:
    """Remember whom the token of a request signed in."""
    if settings.COST_A_MINUTE:
        SPENDING.learn(_digest(token), owner)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
