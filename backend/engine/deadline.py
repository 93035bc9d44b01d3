"""Ends the work of a request when its time limit has passed or its client has disconnected.

After that no further step begins (`check`), and a watcher thread cancels the running statement, so that the database
stops too. A COMMIT is not cancelled, but by a request to cancel that was under way when the statement before it ended: the
client gets `OutcomeUnknown` then. After it, the answer has the same time again to be read; if that is not enough,
the client gets `OutcomeUnknown`. A database that does not respond at all is given up soon after the limit (`read_timeout`).

A unit of work whose statements have all ended commits although its time is over: nothing is saved by doing all of it again,
and whoever sends it again with its key is given the first reply. No look before COMMIT could promise more: the time may be
over just after it as well.
"""

import logging
import threading
from contextvars import ContextVar
from time import monotonic, sleep

from psycopg import Connection

from backend.engine import committed, fibers
from backend.engine.errors import Busy, OutcomeUnknown, Refusal, after_busy_ms
from backend.engine.scoped import Scoped

log = logging.getLogger("katha")

WATCH_SECONDS = 0.2
CANCEL_SECONDS = 2.0
"""The timeout of a cancel request to the database."""
SILENT_SECONDS = WATCH_SECONDS + CANCEL_SECONDS + 2.0
"""How long after the deadline the database may take to report that it cancelled a statement. Then the connection is given up."""
COMMIT_SECONDS = 20.0
"""The same for a COMMIT, which is never cancelled. Longer than the `statement_timeout` of the database."""

TIMED_OUT = (
    "This took longer than a request may, so it was broken off. Nothing was written. Ask for less at once, or try again "
    "later."
)
WRITTEN = (
    "The write was committed, but its answer took too long to read. Send the same request with the same key: it gives the "
    "first reply."
)

TOOK_TOO_LONG, LEFT = "the request's time was up", "the client had left"
"""Causes, for the log."""


class Deadline:
    """The deadline of one request. Other threads than the request's own may only call `leave` and `enforce`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._at = monotonic() + seconds
        self._left = self._commits = False
        self.begun = False
        """Whether a thread has started to answer the request."""
        self.cancel_pending = False
        """Whether a cancel request may still reach the connection. Then the connection must not be used again."""
        self._cancellable: Connection | None = None
        self._lock = threading.Lock()

    @property
    def until(self) -> float:
        """When no further step may begin any more (monotonic seconds)."""
        return self._at

    @property
    def over(self) -> bool:
        """Whether no further step may begin."""
        return self._left or monotonic() >= self._at

    @property
    def left(self) -> bool:
        """Whether the client has disconnected."""
        return self._left

    def leave(self) -> None:
        """The client has disconnected."""
        self._left = True

    def read_timeout(self) -> float:
        """How many seconds to wait for the next response of the database."""
        if self._commits:
            return COMMIT_SECONDS
        return max(0.0, self._at - monotonic()) + SILENT_SECONDS

    def refusal(self) -> Refusal:
        """What the client is told when the time is up."""
        if committed.has_committed():
            return OutcomeUnknown(WRITTEN, after_ms=after_busy_ms(), cause=self.cause())
        return self.timed_out()

    def timed_out(self) -> Busy:
        """The refusal of what has written nothing."""
        return Busy(TIMED_OUT, after_ms=after_busy_ms(), cause=self.cause())

    def cause(self) -> str:
        """Why the time is up, for the log."""
        return LEFT if self._left else TOOK_TOO_LONG

    def enforce(self) -> None:
        """Cancel the running statement, if the time is up and the statement may be cancelled."""
        if self.over:
            # The lock ensures that the connection still belongs to this request, not to the next one. It is held over I/O, for
            # CANCEL_SECONDS at most: nobody waits for it but this request itself, whose time is up.
            with self._lock:
                if self._cancellable is None or self.cancel_pending or not self.over:  # a COMMIT has given more time
                    return
                try:
                    self._cancellable.cancel_safe(timeout=CANCEL_SECONDS)
                except Exception as error:  # the watcher has to go on for the other requests
                    self.cancel_pending = True
                    log.warning("a statement could not be cancelled", exc_info=error)

    def set_cancellable(self, connection: Connection | None) -> None:
        """Set the connection whose statements may be cancelled from now on; None for no connection."""
        if not self._lock.acquire(blocking=False):
            fibers.blocking(self._lock.acquire)
        self._cancellable, self._commits = connection, False
        self._lock.release()

    def commit(self) -> None:
        """Allow no more cancels: PostgreSQL commits."""
        self.set_cancellable(None)
        self._commits = True

    def extend(self) -> None:
        """A write was committed: the answer has the same time again to be read."""
        self._at = monotonic() + self._seconds


_CURRENT: ContextVar[Deadline | None] = ContextVar("deadline", default=None)
_RUNNING: set[Deadline] = set()
_watcher: threading.Thread | None = None
_starting = threading.Lock()


class limited(Scoped[Deadline | None]):  # noqa: N801
    """Apply the deadline to the code inside."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__(_CURRENT, deadline)
        self._deadline = deadline
        self._is_within = _CURRENT.get() is deadline

    def __enter__(self) -> Deadline | None:
        if not self._is_within:
            _ensure_watcher()
            committed.begin()
            _RUNNING.add(self._deadline)
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        if not self._is_within:
            _RUNNING.discard(self._deadline)


def read_timeout() -> float | None:
    """How many seconds a request waits for the next response of the database; None outside of requests."""
    deadline = _CURRENT.get()
    return None if deadline is None else deadline.read_timeout()


def refused() -> Refusal | None:
    """The refusal if the time is up: `Busy`, or `OutcomeUnknown` if a write was committed already. None otherwise."""
    deadline = _CURRENT.get()
    return deadline.refusal() if deadline is not None and deadline.over else None


def cause() -> str | None:
    """See `Deadline.cause`; None outside of requests."""
    deadline = _CURRENT.get()
    return None if deadline is None else deadline.cause()


def check() -> None:
    """Raise the refusal that `refused` returns, if any."""
    refusal = refused()
    if refusal is not None:
        raise refusal


def check_before() -> None:
    """Raise `Busy` if there is no time left to begin a transaction. Always `Busy`: this transaction has written nothing."""
    deadline = _CURRENT.get()
    if deadline is not None and deadline.over:
        raise deadline.timed_out()


class cancellable:  # noqa: N801
    """Statements of the connection are cancelled when the time is up, until `committing` is called."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._deadline = connection, _CURRENT.get()

    def __enter__(self) -> None:
        if self._deadline is not None:
            self._deadline.set_cancellable(self._connection)

    def __exit__(self, *_: object) -> None:
        if self._deadline is not None:
            self._deadline.set_cancellable(None)
            if self._deadline.cancel_pending:
                self._connection.close()


def require_no_cancel() -> None:
    """Raise `Busy` if a cancel may still be under way, because it could hit the COMMIT that is sent next."""
    deadline = _CURRENT.get()
    if deadline is not None and deadline.cancel_pending:
        raise deadline.timed_out()


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


def _ensure_watcher() -> None:
    global _watcher
    if (
        _watcher is None or not _watcher.is_alive()
    ):  # none yet, or the watcher thread belongs to the process that this one was forked from
        with _starting:
            if _watcher is None or not _watcher.is_alive():
                _watcher = threading.Thread(target=_watch, name="deadlines", daemon=True)
                _watcher.start()


def _watch() -> None:
    while True:
        sleep(WATCH_SECONDS)
        for deadline in list(_RUNNING):
            deadline.enforce()
