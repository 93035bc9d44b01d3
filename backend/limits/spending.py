"""Limits the cost of requests per minute by person or address, in memory, for each process (`COST_A_MINUTE`).

A request with a token counts for the token's person, but only once the token has proved valid; otherwise a client could
invent a new token for each request. Until then, and for signed-out clients, the address counts.
"""

import threading
import time
from collections import OrderedDict
from typing import Final

from django.http import HttpRequest

from backend.engine import metrics
from backend.engine.errors import RateLimited
from backend.limits.addresses import address_of

LIMIT = "cost"
MAX_REMEMBERED = 10_000
"""How many buckets, and how many tokens, one process remembers; the least recently used are dropped first."""

MINUTE = 60_000_000_000
"""In nanoseconds, as all times here: sums of whole numbers are exact, so whoever waits as told is served."""
MILLISECOND = 1_000_000

Key = bytes | str

TOO_MUCH = "Too much has been asked for lately. Wait, then send the same again."


class Spending:
    """Leaky buckets for the cost of one minute, each stored as the time when it will be empty.

    A bucket holds a minute's allowance. What costs more than that is refused for good (`Operation.cost`).
    """

    def __init__(self) -> None:
        self._empty_at: OrderedDict[Key, int] = OrderedDict()
        self._owners: OrderedDict[bytes, str] = OrderedDict()
        """The person of each token, by the token's digest."""
        self._lock = threading.Lock()

    def require(self, key: Key, *, now: int | None = None) -> None:
        """Raise `RateLimited` if nothing is left of the allowance. Says when all of it will be there again, because what the
        request will cost is not known yet.
        """
        used = self._empty_at.get(key, 0) - (time.monotonic_ns() if now is None else now)
        if used >= MINUTE:
            raise _too_much(used)

    def spend(self, key: Key, cost: int, a_minute: int, *, now: int | None = None) -> None:
        """Count this cost. Raises `RateLimited` if less is left of the allowance; then it is not counted."""
        now = time.monotonic_ns() if now is None else now
        with self._lock:
            begun = max(self._empty_at.get(key, now), now)
            empty_at = begun + cost * MINUTE // a_minute
            over = empty_at - now - MINUTE
            if over <= 0:
                self._fill(key, empty_at)
        if over > 0:
            raise _too_much(over)

    def charge(self, key: Key, cost: int, a_minute: int, *, now: int | None = None) -> None:
        """Count this cost, even if less is left of the allowance: what it is for has been done."""
        now = time.monotonic_ns() if now is None else now
        with self._lock:
            self._fill(key, max(self._empty_at.get(key, now), now) + cost * MINUTE // a_minute)

    def _fill(self, key: Key, empty_at: int) -> None:
        self._empty_at[key] = empty_at
        self._empty_at.move_to_end(key)
        while len(self._empty_at) > MAX_REMEMBERED:
            self._empty_at.popitem(last=False)

    def owner(self, digest: bytes) -> str | None:
        """The person whom this token signs in, if known."""
        return self._owners.get(digest)

    def forget_owners(self) -> None:
        """Forget whom tokens sign in, as a process that has just begun."""
        with self._lock:
            self._owners.clear()

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


def require(request: HttpRequest, token: bytes | None, a_minute: int) -> None:
    """Raise `RateLimited` if nothing is left of the allowance of a request's person or address; `token` is a digest."""
    if a_minute:
        SPENDING.require(_sender(request, token))


def spend(request: HttpRequest, token: bytes | None, cost: int, a_minute: int) -> None:
    """Count the cost of a request for its person or address. Raises `RateLimited`."""
    if a_minute:
        SPENDING.spend(_sender(request, token), cost, a_minute)


def charge(request: HttpRequest, token: bytes | None, cost: int, a_minute: int) -> None:
    """Count the cost of a request that could not be executed for its person or address."""
    if a_minute:
        SPENDING.charge(_sender(request, token), cost, a_minute)


def _sender(request: HttpRequest, token: bytes | None) -> Key:
    owner = None if token is None else SPENDING.owner(token)
    return owner or address_of(request)


def _too_much(nanoseconds: int) -> RateLimited:
    metrics.LIMITED.labels(LIMIT).inc()
    return RateLimited(LIMIT, TOO_MUCH, after_ms=-(-nanoseconds // MILLISECOND))


def learn(token: bytes, owner: str | None) -> None:
    """Remember whom a request's token signed in."""
    SPENDING.learn(token, owner)


def owner(token: bytes) -> str | None:
    """The id of the person whom a token has signed in, if this process knows."""
    return SPENDING.owner(token)
