"""Limits how many passwords are hashed at once, because hashing is slow on purpose.

A request that hashes releases its server thread slot first, so that sign-ins and sign-ups cannot block other requests.
"""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.conf import settings
from django.contrib.auth.hashers import ScryptPasswordHasher

from backend.engine import metrics
from backend.engine.errors import RateLimited

LIMIT = "hashing"

MAKE_ROOM: ContextVar[Callable[[], None]] = ContextVar("make_room", default=lambda: None)
"""Set by the server: releases the thread slot of this thread's request, so that another request can start."""

AT_END: ContextVar[list[Callable[[], None]] | None] = ContextVar("at_end", default=None)
"""Callbacks that the server runs at the end of this thread's request; None outside of requests."""


class HashingQueue:
    """A semaphore with a bounded queue: `served` hash at once, `waiting` more wait, others are refused at once."""

    def __init__(self, served: int, waiting: int, seconds: float) -> None:
        self._slots = threading.Semaphore(served + waiting)
        self._hashing = threading.Semaphore(served)
        self._seconds = seconds

    def reserve(self) -> None:
        """Reserve a queue slot for this request, which is going to hash. Raises `RateLimited` if the queue is full.

        The request keeps it to its end, however many passwords it hashes. So the number of threads beyond the server's
        own limit is bounded by the queue.
        """
        at_end = AT_END.get()
        if at_end:
            return
        self._take_slot()
        if at_end is None:  # outside of requests each hash reserves its own slot
            self._slots.release()
        else:
            at_end.append(self._slots.release)
            MAKE_ROOM.get()()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold the semaphore. Raises `RateLimited` if the queue is full, or after `seconds` of waiting."""
        alone = AT_END.get() is None
        if alone:
            self._take_slot()
        else:
            self.reserve()
        try:
            if not self._hashing.acquire(timeout=self._seconds):
                raise _too_many()
            try:
                yield
            finally:
                self._hashing.release()
        finally:
            if alone:
                self._slots.release()

    def _take_slot(self) -> None:
        if not self._slots.acquire(blocking=False):
            raise _too_many()


def _too_many() -> RateLimited:
    metrics.LIMITED.labels(LIMIT).inc()
    return RateLimited(LIMIT, after_ms=random.randint(500, 1500))


HASHING = HashingQueue(settings.HASHES_AT_ONCE, settings.HASHES_WAITING, settings.HASHES_WAIT_SECONDS)
"""The queue of this process."""


class Hasher(ScryptPasswordHasher):
    """Django's scrypt hasher, limited by the queue. Checking a password hashes it too."""

    def encode(self, password: str, salt: str, *parameters: int | None, **named: int | None) -> str:
        """Hash a password. Raises `RateLimited`."""
        with HASHING.slot():
            return super().encode(password, salt, *parameters, **named)
