"""Hashes passwords, only so many at once: hashing is slow on purpose, and others want to be answered meanwhile.

A request that hashes gives its place up to another one, so however many want to sign in or up, the rest is served.
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
"""Lets the server take another request in place of the one that this thread answers."""


class Desk:
    """So many are served at once, and so many more may wait; who finds no room is sent away at once."""

    def __init__(self, served: int, waiting: int, seconds: float) -> None:
        self._room = threading.Semaphore(served + waiting)
        self._served = threading.Semaphore(served)
        self._seconds = seconds

    @contextmanager
    def place(self) -> Iterator[None]:
        """Be served. Raises `RateLimited` if there is no room, or if it takes longer than `seconds`."""
        if not self._room.acquire(blocking=False):
            raise _too_many()
        MAKE_ROOM.get()()
        try:
            if not self._served.acquire(timeout=self._seconds):
                raise _too_many()
            try:
                yield
            finally:
                self._served.release()
        finally:
            self._room.release()

    def require_room(self) -> None:
        """Raise `RateLimited` if there is no room now. There may be none later either: this only saves the way."""
        if not self._room.acquire(blocking=False):
            raise _too_many()
        self._room.release()


def _too_many() -> RateLimited:
    metrics.LIMITED.labels(LIMIT).inc()
    return RateLimited(LIMIT, after_ms=random.randint(500, 1500))


DESK = Desk(settings.HASHES_AT_ONCE, settings.HASHES_WAITING, settings.HASHES_WAIT_SECONDS)
"""Of this process."""


class Hasher(ScryptPasswordHasher):
    """Django's scrypt, one of a few at a time; to check a password is to hash it as well."""

    def encode(self, password: str, salt: str, *parameters: int | None, **named: int | None) -> str:
        """Hash a password. Raises `RateLimited`."""
        with DESK.place():
            return super().encode(password, salt, *parameters, **named)
