"""When the work of a request has to end: by its time, or because nobody waits for the answer any more.

What comes next is not begun (`check`), and the statement that runs is cancelled by a thread that watches, so that the
database stops too. Never a COMMIT: a unit of work that has come so far ends as if there were time. Once it is committed,
its answer has as long again to be read; if that is not enough, the client is told that the outcome is unknown to it.
A database that says nothing at all any more is not waited for much longer than that (`patience`).
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic, sleep

from psycopg import Connection

from backend.engine import committed
from backend.engine.errors import Busy, OutcomeUnknown, Refusal, after_busy_ms

log = logging.getLogger("katha")

DEADLINE = "katha.deadline"
"""Where a request carries its deadline, if the server has set one when it came."""
WATCH_SECONDS = 0.2
CANCEL_SECONDS = 2.0
"""How long the database may take to be told."""
SILENT_SECONDS = WATCH_SECONDS + CANCEL_SECONDS + 2.0
"""A database that has not even said so long after the end that a statement was cancelled does not answer any more."""
COMMIT_SECONDS = 20.0
"""The same for what is never cancelled. Longer than the database lets a statement run."""

TIMED_OUT = (
    "This took longer than a request may, so it was broken off. Nothing was written. Ask for less at once, or try again "
    "later."
)
WRITTEN = (
    "The write was committed, but its answer took too long to read. Send the same request with the same key: it gives the "
    "first reply."
)


class Deadline:
    """The end of one request. Others than its own thread may only `leave` it and `enforce` it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._at = monotonic() + seconds
        self._left = self._commits = False
        self.begun = False
        """Whether a thread answers the request, which waits for one until then."""
        self.doubtful = False
        """Whether a cancel may still be under way to a connection: it must not be used any more."""
        self._breakable: Connection | None = None
        self._lock = threading.Lock()

    @property
    def over(self) -> bool:
        """Whether nothing more should be begun."""
        return self._left or monotonic() >= self._at

    @property
    def left(self) -> bool:
        """Whether nobody waits for the answer."""
        return self._left

    def leave(self) -> None:
        """Nobody waits for the answer."""
        self._left = True

    def patience(self) -> float:
        """For how many seconds to wait for what the database says next."""
        if self._commits:
            return COMMIT_SECONDS
        return max(0.0, self._at - monotonic()) + SILENT_SECONDS

    def refusal(self) -> Refusal:
        """What the client is told when it is over."""
        if committed.has_committed():
            return OutcomeUnknown(WRITTEN, after_ms=after_busy_ms())
        return Busy(TIMED_OUT, after_ms=after_busy_ms())

    def enforce(self) -> None:
        """Cancel the statement that runs, if it is over and may be cancelled."""
        if self.over:
            # Whoever holds the lock knows that the connection still works for this request, and not for the next.
            with self._lock:
                if self._breakable is None or self.doubtful:
                    return
                try:
                    self._breakable.cancel_safe(timeout=CANCEL_SECONDS)
                except Exception as error:  # whatever it is, the other requests have to be watched
                    self.doubtful = True
                    log.warning("a statement could not be cancelled", exc_info=error)

    def break_with(self, connection: Connection | None) -> None:
        """Whose statements may be cancelled from now on; None for nobody's."""
        with self._lock:
            self._breakable, self._commits = connection, False

    def commit(self) -> None:
        """From here on nothing is cancelled. Raises `Busy` if a cancel may still be under way, which could hit the COMMIT."""
        self.break_with(None)
        if self.doubtful:
            raise Busy(TIMED_OUT, after_ms=after_busy_ms())
        self._commits = True

    def extend(self) -> None:
        """Something was written: reading the answer has as long again."""
        self._at = monotonic() + self._seconds


_CURRENT: ContextVar[Deadline | None] = ContextVar("deadline", default=None)
_RUNNING: set[Deadline] = set()
_watcher: threading.Thread | None = None
_starting = threading.Lock()


@contextmanager
def limited(deadline: Deadline) -> Iterator[None]:
    """What happens inside has to end by the deadline."""
    if _CURRENT.get() is deadline:
        yield
        return
    _be_watched()
    committed.begin()
    before = _CURRENT.set(deadline)
    _RUNNING.add(deadline)
    try:
        yield
    finally:
        _RUNNING.discard(deadline)
        _CURRENT.reset(before)


def patience() -> float | None:
    """For how many seconds a request waits for what the database says next; None outside of requests."""
    deadline = _CURRENT.get()
    return None if deadline is None else deadline.patience()


def refused() -> Refusal | None:
    """`Busy`, or `OutcomeUnknown` where something is written already, if the time of what runs here is over."""
    deadline = _CURRENT.get()
    return deadline.refusal() if deadline is not None and deadline.over else None


def check() -> None:
    """Raise what `refused` says."""
    refusal = refused()
    if refusal is not None:
        raise refusal


def check_before() -> None:
    """Raise `Busy` if there is no time left to begin a transaction: of this one nothing is written, whatever was before."""
    deadline = _CURRENT.get()
    if deadline is not None and deadline.over:
        raise Busy(TIMED_OUT, after_ms=after_busy_ms())


@contextmanager
def breakable(connection: Connection) -> Iterator[None]:
    """Statements of the connection are cancelled when the time is over, unless `committing` says not to any more."""
    deadline = _CURRENT.get()
    if deadline is None:
        yield
        return
    deadline.break_with(connection)
    try:
        yield
    finally:
        deadline.break_with(None)
        if deadline.doubtful:
            connection.close()


def committing() -> None:
    """See `Deadline.commit`."""
    deadline = _CURRENT.get()
    if deadline is not None:
        deadline.commit()


def extend() -> None:
    """See `Deadline.extend`."""
    deadline = _CURRENT.get()
    if deadline is not None:
        deadline.extend()


def _be_watched() -> None:
    global _watcher
    if (
        _watcher is None or not _watcher.is_alive()
    ):  # none yet, or it has stayed behind in the process that this was forked from
        with _starting:
            if _watcher is None or not _watcher.is_alive():
                _watcher = threading.Thread(target=_watch, name="deadlines", daemon=True)
                _watcher.start()


def _watch() -> None:
    while True:
        sleep(WATCH_SECONDS)
        for deadline in list(_RUNNING):
            deadline.enforce()
