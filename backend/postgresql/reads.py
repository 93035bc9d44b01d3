"""Runs SELECTs in the event loop, over a few raw connections of this process: no thread, and no more Python than needed.

A statement that is seen for the second time is prepared, on each connection that meets it from then on. One whose deadline
is over or whose task is cancelled is cancelled in PostgreSQL too, and its connection is used again once that has happened.
"""

import asyncio
import logging
import os
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from time import monotonic, perf_counter
from typing import Any

import psycopg
from django.db import connections
from django.db import utils as djangos
from psycopg import AsyncConnection

from backend import tracing
from backend.engine import deadline as deadlines
from backend.engine import metrics
from backend.engine.deadline import Deadline
from backend.engine.outage import OUTAGE
from backend.engine.pipeline import Statement
from backend.engine.transactions import refusal_for
from backend.logs.causes import connection_cause
from backend.postgresql.session import Job, Row, Session

__all__ = ["Reads", "Row", "Statement", "connection_parameters"]

log = logging.getLogger("katha")

MAX_SEEN = 1_000
"""Statements of which the process remembers that it has seen them. A crowd of others in between, and one is new again."""

UTC = "-c TimeZone=UTC"
"""Times are printed alike everywhere."""
OPTIONS = f"-c default_transaction_read_only=on {UTC}"
"""Beyond those of the settings: nothing can be written."""

ONLY_PSYCOPGS = {"context", "cursor_factory", "prepare_threshold", "autocommit", "row_factory"}
"""Parameters that are for psycopg's cursors, of which none is used here."""

DJANGOS = (
    djangos.DataError,
    djangos.OperationalError,
    djangos.IntegrityError,
    djangos.InternalError,
    djangos.ProgrammingError,
    djangos.NotSupportedError,
    djangos.DatabaseError,
    djangos.InterfaceError,
    djangos.Error,
)
"""Django's errors, the special ones first. psycopg's have the same names."""


def connection_parameters(*, only_reads: bool = True) -> dict[str, Any]:
    """How the settings say to connect, and what is set on connections that only read."""
    parameters = connections["default"].get_connection_params()
    kept = {name: value for name, value in parameters.items() if name not in ONLY_PSYCOPGS}
    return kept | {"options": f"{parameters.get('options') or ''} {OPTIONS if only_reads else UTC}".strip()}


class Reads:
    """The connections of one event loop, made when they are first needed: `size` at most.

    Where there are more statements than connections, they wait in the order in which they came.
    """

    def __init__(self, size: int, parameters: dict[str, Any] | None = None) -> None:
        self._size, self._given = size, parameters
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()
        self._sessions: set[Session] = set()
        self._idle: list[Session] = []
        self._waiting: deque[Job] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._watch: asyncio.TimerHandle | None = None

    async def fetch(self, statement: Statement, parameters: Sequence[bytes | None], deadline: Deadline) -> Row | None:
        """The first row of what the statement selects, each value as PostgreSQL writes it; None if there is no row.

        Parameters are text as well. Raises `Busy` if the deadline is over first, or the database cannot serve it now; Django's
        database errors for what is wrong with the statement or its parameters.
        """
        loop = self._bind()
        if deadline.over:
            raise deadline.timed_out()
        began = perf_counter()
        job = Job(statement, parameters, deadline, loop.create_future(), prepares=self._has_seen(statement))
        try:
            _require_text(parameters)
            with tracing.running(statement.sql, statement.name):
                self._submit(job)
                row = await job.answer
        except asyncio.CancelledError:
            self._leave(job)
            raise
        except psycopg.Error as error:
            raise _as_answer(error) from error
        finally:
            metrics.QUERY_SECONDS.observe(perf_counter() - began)
        OUTAGE.served()
        return row

    async def close(self) -> None:
        """Close all connections, and cancel what they run. Whoever waits gets `Busy`."""
        opening, sessions, waiting = self._opening, self._sessions, self._waiting
        if self._watch is not None:
            self._watch.cancel()
        self._start_afresh()
        error = psycopg.OperationalError("the connection was closed: the process ends")
        for task in opening:
            task.cancel()
        for job in (*waiting, *(session.job for session in sessions if session.job is not None)):
            job.fail(error)
        await asyncio.gather(*opening, *(session.end() for session in sessions), return_exceptions=True)

    # --- What a session tells --------------------------------------------------------------------------------

    def is_idle(self, session: Session) -> None:
        """Give it the statement that waits longest, or keep it."""
        if session not in self._sessions:
            session.close()  # of a pool that was closed meanwhile
            return
        if self._waiting and not session.lives():
            return  # another one is being opened
        job = self._next_job()
        if job is None:
            self._idle.append(session)
        else:
            session.start(job)

    def is_gone(self, session: Session, job: Job | None, error: BaseException) -> None:
        """Run its statement once more if the connection may have been broken all along: it has only read."""
        if session not in self._sessions:
            return
        self._sessions.discard(session)
        if session in self._idle:
            self._idle.remove(session)
        if job is not None and not job.answer.done():
            if session.kept and not job.again and _is_lost(error):
                job.again, job.session = True, None
                self._waiting.appendleft(job)
                self._trust_none()
            else:
                job.fail(error)
        self._open_more()

    # --- Statements ------------------------------------------------------------------------------------------

    def _has_seen(self, statement: Statement) -> bool:
        seen = self._seen
        if statement.name in seen:
            seen.move_to_end(statement.name)
            return True
        seen[statement.name] = None
        if len(seen) > MAX_SEEN:
            seen.popitem(last=False)
        return False

    def _submit(self, job: Job) -> None:
        if self._watch is None:
            self._watch_again()
        while self._idle:
            session = self._idle.pop()
            if session.lives():
                session.start(job)
                return
        self._waiting.append(job)
        self._open_more()

    def _next_job(self) -> Job | None:
        while self._waiting:
            job = self._waiting.popleft()
            if job.deadline.over:
                job.fail(job.deadline.timed_out())
            if not job.answer.done():
                return job
        return None

    def _leave(self, job: Job) -> None:
        """Whoever waited for it does so no more."""
        if job.answer.done() and not job.answer.cancelled():
            job.answer.exception()  # nobody else will look at it, which asyncio would complain of
        if job.session is not None and job.session.job is job:
            job.session.abandon()

    # --- The watch -------------------------------------------------------------------------------------------

    def _watch_again(self) -> None:
        assert self._loop is not None
        self._watch = self._loop.call_later(deadlines.WATCH_SECONDS, self._look)

    def _look(self) -> None:
        """Refuse what is out of time, and give up the connections that do not even answer a cancel."""
        self._watch = None
        for job in self._waiting:
            if job.deadline.over:
                job.fail(job.deadline.timed_out())
        self._waiting = deque(job for job in self._waiting if not job.answer.done())
        for session in self._busy():
            if session.given_up_at is not None:
                if monotonic() >= session.given_up_at:
                    session.lose(psycopg.OperationalError("the database timed out: it did not answer a cancel"))
                else:
                    session.abandon()
            elif session.job is not None and session.job.deadline.over:
                session.job.fail(session.job.deadline.timed_out())
                session.abandon()
        if self._watch is None and (self._waiting or any(True for _ in self._busy())):
            self._watch_again()

    def _busy(self) -> Iterator[Session]:
        return (one for one in list(self._sessions) if one.job is not None or one.given_up_at is not None)

    # --- Connections -----------------------------------------------------------------------------------------

    def _bind(self) -> asyncio.AbstractEventLoop:
        """The running loop. Connections of another one are useless here: it has ended, or this process was forked from it."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None:
                self._forget_other_loop()
            self._loop, self._pid = loop, os.getpid()
        return loop

    def _forget_other_loop(self) -> None:
        sessions, is_ours = self._sessions, self._pid == os.getpid()
        if is_ours and self._loop is not None and not self._loop.is_closed():
            raise RuntimeError("Each event loop needs connections of its own.")
        self._start_afresh()
        for session in sessions if is_ours else ():  # those of a parent are still in use there, and are not even closed
            session.close()

    def _open_more(self) -> None:
        """Open as many connections as there are statements that wait for one, up to the limit."""
        assert self._loop is not None
        while len(self._opening) < min(len(self._waiting), self._size - len(self._sessions)):
            task = self._loop.create_task(self._open())
            self._opening.add(task)

    async def _open(self) -> None:
        try:
            session = await self._connect()
        except Exception as error:
            self._opening.discard(asyncio.current_task())
            if isinstance(error, psycopg.Error):
                metrics.CONNECTION_ERRORS.labels(connection_cause(error)).inc()
            else:
                log.error("a connection could not be made", exc_info=error)
            self._cannot_open(error)
        else:
            self._opening.discard(asyncio.current_task())
            self._sessions.add(session)
            self.is_idle(session)

    async def _connect(self) -> Session:
        """A new connection. psycopg makes it: it resolves names without blocking, and tries all hosts."""
        parameters = connection_parameters() if self._given is None else self._given
        connection = await AsyncConnection.connect(**parameters, autocommit=True)
        try:
            if connection.pgconn.parameter_status(b"TimeZone") != b"UTC":  # of a pooler that drops options
                await connection.execute("SET TimeZone TO 'UTC'")
            return Session(connection, self)
        except BaseException:
            connection.pgconn.finish()
            raise

    def _cannot_open(self, error: Exception) -> None:
        """Without any connection nobody can be served. With some, whoever waits may still get one of them."""
        if not self._sessions:
            waiting, self._waiting = self._waiting, deque()
            for job in waiting:
                job.fail(error)

    def _trust_none(self) -> None:
        """Close the idle connections: if one has broken unseen, the others may have as well."""
        for session in self._idle:
            self._sessions.discard(session)
            session.close()
        self._idle.clear()


def _require_text(parameters: Sequence[bytes | None]) -> None:
    """Raise DataError for a zero byte: libpq would take it for the end of the text."""
    for parameter in parameters:
        if parameter is not None and b"\0" in parameter:
            raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")


def _is_lost(error: BaseException) -> bool:
    return isinstance(error, psycopg.OperationalError) and error.sqlstate is None


def _as_answer(error: psycopg.Error) -> Exception:
    """The refusal for an error, as for any transaction's; for a bug of ours the error itself, as one of Django's."""
    kind = next(one for one in DJANGOS if isinstance(error, getattr(psycopg, one.__name__)))
    wrapped = kind(*error.args)
    wrapped.__cause__ = error
    return refusal_for(wrapped) or wrapped
