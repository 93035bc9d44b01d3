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

AT_END: ContextVar[list[Callable[[], None]] | None] = ContextVar("at_end", default=None)
"""What the server does when the request that this thread answers has ended; None outside of requests."""


class Desk:
    """So many are served at once, and so many more may wait; who finds no room is sent away at once."""

    def __init__(self, served: int, waiting: int, seconds: float) -> None:
        self._room = threading.Semaphore(served + waiting)
        self._served = threading.Semaphore(served)
        self._seconds = seconds

    def enter(self) -> None:
        """Take room for this request, which is going to hash. Raises `RateLimited` if there is none.

        It keeps the room to its end, however many passwords it hashes, and whatever else it waits for: so no more of them
        than have room are answered beside those that hold the server's own places.
        """
        at_end = AT_END.get()
        if at_end:
            return
        self._take_room()
        if at_end is None:  # nobody says when it ends, so each password finds its own room
            self._room.release()
        else:
            at_end.append(self._room.release)
            MAKE_ROOM.get()()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Be served. Raises `RateLimited` if there is no room, or if it takes longer than `seconds`."""
        alone = AT_END.get() is None
        if alone:
            self._take_room()
        else:
            self.enter()
        try:
            if not self._served.acquire(timeout=self._seconds):
                raise _too_many()
            try:
                yield
            finally:
                self._served.release()
        finally:
            if alone:
                self._room.release()

    def _take_room(self) -> None:
        if not self._room.acquire(blocking=False):
            raise _too_many()


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
