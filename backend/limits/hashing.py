"""Hashes passwords, only so many at once: hashing is slow on purpose, and others want to be answered meanwhile."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.contrib.auth.hashers import ScryptPasswordHasher

from backend.engine import metrics
from backend.engine.errors import RateLimited

LIMIT = "hashing"


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
        try:
            if not self._served.acquire(timeout=self._seconds):
                raise _too_many()
            try:
                yield
            finally:
                self._served.release()
        finally:
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
