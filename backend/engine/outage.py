"""For how long this process has not been served by its database: advice on when to retry grows with it.

Only failures of the database as a whole count. A row that is locked, a deadlock or a statement that takes too long says
nothing about the next request, and a transaction that ends well says that it is over.
"""

import time
from typing import Final

FORGET_SECONDS = 30.0
"""A failure so long after the one before begins a new outage: nobody has asked in between."""

THE_DATABASE_ITSELF = ("08", "53", "57P")
"""SQLSTATEs of an outage: connection exceptions, lack of resources, a shutdown or a crash."""


class Outage:
    """An outage as one process sees it. Each write replaces one value, so threads need no lock."""

    def __init__(self) -> None:
        self._span: tuple[float, float] | None = None
        """When it began, and when it was last seen."""

    def failed(self, now: float | None = None) -> None:
        """The database could not be reached, or is not able to serve anybody."""
        now = time.monotonic() if now is None else now
        span = self._span
        self._span = (now if span is None or now - span[1] > FORGET_SECONDS else span[0], now)

    def served(self) -> None:
        """A transaction ended well."""
        self._span = None

    def lasted(self) -> float:
        """For how many seconds it has been seen so far; 0 without one."""
        span = self._span
        return 0.0 if span is None else span[1] - span[0]


OUTAGE: Final = Outage()
"""The one of this process."""
