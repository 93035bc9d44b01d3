"""One raw connection to PostgreSQL in an event loop: it runs one statement at a time and gives its first row, as text."""

import asyncio
import logging
import select
from collections import OrderedDict
from collections.abc import Sequence
from time import monotonic
from typing import Any, Protocol

import psycopg
from psycopg import AsyncConnection, capabilities
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from backend.engine import deadline as deadlines
from backend.engine.deadline import Deadline
from backend.engine.pipeline import NOT_AS_PREPARED, Statement

log = logging.getLogger("katha")

Row = list[bytes | None]

MAX_PREPARED = 100
"""Prepared statements of a connection. Each keeps its plan in PostgreSQL's memory: 350 kB for that of a feed."""
MAX_PREPARED_BYTES = 500_000
"""The SQL of all of them together: long statements have large plans, of several MB."""
MAX_STATEMENT_BYTES = 50_000
"""A longer statement is never prepared: its plan would be as large as those of all the others."""
MAX_BUFFERED_BYTES = 4_000_000
"""After a longer value the connection is replaced: libpq never makes its buffer smaller again."""

# Plain numbers: they are compared for each result, and an IntEnum is slow at that.
COMMAND_OK, TUPLES_OK, PIPELINE_SYNC = map(int, (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK, ExecStatus.PIPELINE_SYNC))
COPIES = frozenset(map(int, (ExecStatus.COPY_IN, ExecStatus.COPY_OUT, ExecStatus.COPY_BOTH)))


class Job:
    """A statement that somebody waits for."""

    __slots__ = ("again", "answer", "deadline", "parameters", "prepares", "session", "statement")

    def __init__(
        self,
        statement: Statement,
        parameters: Sequence[bytes | None],
        deadline: Deadline,
        answer: "asyncio.Future[Row | None]",
        *,
        prepares: bool,
    ) -> None:
        self.statement, self.parameters, self.deadline, self.answer = statement, parameters, deadline, answer
        self.prepares = prepares
        """Whether it is worth to be prepared."""
        self.session: Session | None = None
        """Where it runs."""
        self.again = False
        """Whether it was begun before, and the connection broke."""

    def succeed(self, row: Row | None) -> None:
        """Give the row to whoever still waits for it."""
        if not self.answer.done():
            self.answer.set_result(row)

    def fail(self, error: BaseException) -> None:
        """Raise this where it is waited for."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Owner(Protocol):
    """Who is told what becomes of a session."""

    def is_idle(self, session: "Session") -> None:
        """It may be given the next statement."""

    def is_gone(self, session: "Session", job: Job | None, error: BaseException) -> None:
        """It is closed, and `job` was not answered."""


class Prepared:
    """The statements that one connection has prepared, the least recently used first."""

    def __init__(self) -> None:
        self._sizes: OrderedDict[bytes, int] = OrderedDict()
        self._total = 0
        self._useless: list[bytes] = []

    def uses(self, name: bytes) -> bool:
        """Whether it is prepared; then it is the last to be closed."""
        if name not in self._sizes:
            return False
        self._sizes.move_to_end(name)
        return True

    def add(self, statement: Statement) -> None:
        """PostgreSQL has prepared it."""
        self._sizes[statement.name] = len(statement.sql)
        self._total += len(statement.sql)

    def spoil(self, name: bytes) -> None:
        """It is of no use any more, and is to be closed before it is prepared again."""
        if name not in self._useless:
            self._useless.append(name)
        self._total -= self._sizes.pop(name, 0)

    def closed(self, name: bytes) -> None:
        """PostgreSQL has closed it."""
        if name in self._useless:
            self._useless.remove(name)
        self._total -= self._sizes.pop(name, 0)

    def in_the_way(self, statement: Statement) -> list[bytes]:
        """Those to close before this one is prepared."""
        found, count, total = list(self._useless), len(self._sizes), self._total + len(statement.sql)
        for name, size in self._sizes.items():
            if count < MAX_PREPARED and total <= MAX_PREPARED_BYTES:
                break
            found.append(name)
            count, total = count - 1, total - size
        return found


class Session:
    """One connection. Everything happens in the event loop; of a silent database only the owner's patience makes an end."""

    def __init__(self, connection: AsyncConnection[Any], owner: Owner) -> None:
        self._connection, self._owner = connection, owner
        self._pg = connection.pgconn
        self._loop = asyncio.get_running_loop()
        self._socket = self._pg.socket
        self._prepared = Prepared()
        self._results: list[PGresult] = []
        self._closing: list[bytes] = []
        self._preparing: Statement | None = None
        self._writes = self._ran_prepared = False
        self._cancel: asyncio.Task[None] | None = None
        self.job: Job | None = None
        """What it runs. While it is cancelled, nobody waits for it any more."""
        self.given_up_at: float | None = None
        """When a cancelled statement has taken too long to end (monotonic seconds); None while nothing is cancelled."""
        self.kept = False
        """Whether it has answered before, and so may have broken unseen since."""
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._loop.add_reader(self._socket, self._readable)

    @property
    def closed(self) -> bool:
        """Whether it cannot be used any more."""
        return self._socket < 0

    def lives(self) -> bool:
        """Whether the idle connection is still open, as far as can be seen without asking. Closes it otherwise."""
        if not self.closed and self._poll.poll(0):  # only what ends it, or next to nothing, comes unasked
            self._readable()
            self._readable()
        return not self.closed

    def start(self, job: Job) -> None:
        """Send a statement. The job is answered later, or the owner gets it back."""
        self.job, job.session = job, self
        try:
            self._send(job)
            self._flush()
        except Exception as error:  # of the connection; or of ours, then what was sent is unknown
            self.lose(error)

    def abandon(self) -> None:
        """Cancel the statement: nobody waits for it any more. The owner is told when the connection can be used again.

        To be repeated: a cancel has no effect that overtakes its statement.
        """
        if self._cancel is None and self.job is not None:
            if self.given_up_at is None:
                self.given_up_at = monotonic() + deadlines.SILENT_SECONDS
            self._cancel = self._loop.create_task(self._cancel_statement())

    def lose(self, error: BaseException) -> None:
        """Close the connection, because of this error."""
        if self.closed:
            return
        said = next((one for one in map(_error, self._results) if one is not None and one.sqlstate), None)
        self.close()
        job, self.job = self.job, None
        self._owner.is_gone(self, job, said or error)

    async def end(self) -> None:
        """Cancel the statement, if there is one, and close the connection."""
        self.abandon()
        if self._cancel is not None:
            await asyncio.wait([self._cancel])
        self.close()

    def close(self) -> None:
        """Close the connection, and tell nobody."""
        if self.closed:
            return
        if not self._loop.is_closed():
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            if self._cancel is not None:
                self._cancel.cancel()
        self._socket = -1
        self._pg.finish()

    def _send(self, job: Job) -> None:
        statement = job.statement
        self._ran_prepared = job.prepares and self._prepared.uses(statement.name)
        if self._ran_prepared:
            self._pg.send_query_prepared(statement.name, job.parameters)
        elif job.prepares and len(statement.sql) <= MAX_STATEMENT_BYTES:
            self._send_prepare(statement, job.parameters)
        else:
            self._pg.send_query_params(statement.sql, job.parameters)

    def _send_prepare(self, statement: Statement, parameters: Sequence[bytes | None]) -> None:
        """Prepare and execute, and make room for it before, all in one round trip."""
        self._preparing, self._closing = statement, self._prepared.in_the_way(statement)
        self._pg.enter_pipeline_mode()
        for name in self._closing:
            if capabilities.has_send_close_prepared():
                self._pg.send_close_prepared(name)
            else:
                self._pg.send_query_params(b"DEALLOCATE " + name, None)
        self._pg.send_prepare(statement.name, statement.sql)
        self._pg.send_query_prepared(statement.name, parameters)
        self._pg.pipeline_sync()

    def _flush(self) -> None:
        """Send what is still to be sent, as far as the socket takes it; the rest when it takes more."""
        writes = self._pg.flush() != 0
        if writes and not self._writes:
            self._loop.add_writer(self._socket, self._writable)
        elif self._writes and not writes:
            self._loop.remove_writer(self._socket)
        self._writes = writes

    def _writable(self) -> None:
        try:
            self._flush()
        except psycopg.Error as error:
            self.lose(error)

    def _readable(self) -> None:
        if self.closed:
            return
        try:
            complete = self._read()
            while not complete and self._is_hung_up():  # uvloop tells of that once, so all is read up to the end
                complete = self._read()
        except psycopg.Error as error:
            self.lose(error)
            return
        if complete and self.job is not None:
            self._complete(self.job)

    def _read(self) -> bool:
        """Read what has come. Whether the statement is done."""
        self._pg.consume_input()
        if self._writes:
            self._flush()
        if self.job is None:
            self._pg.is_busy()  # reads what comes unasked, such as a notice
            return False
        return self._read_results()

    def _is_hung_up(self) -> bool:
        return any(event & (select.POLLHUP | select.POLLERR) for _, event in self._poll.poll(0))

    def _read_results(self) -> bool:
        """Take the results that have come. Whether they are all."""
        between = False
        while not self._pg.is_busy():
            result = self._pg.get_result()
            if result is None:
                # In a pipeline None stands after each statement, and after the last one a mark.
                if self._preparing is None:
                    return True
                if between:
                    return False
                between = True
                continue
            between, status = False, result.status
            if status == PIPELINE_SYNC:
                self._pg.exit_pipeline_mode()
                return True
            if status in COPIES:
                raise psycopg.NotSupportedError("COPY is no statement that reads one row")
            self._results.append(result)
        return False

    def _complete(self, job: Job) -> None:
        """PostgreSQL is done with the statement: answer it, and be idle."""
        results, self._results, self.job = self._results, [], None
        if self._preparing is not None:
            self._note_prepared(self._preparing, results)
        last = results[-1] if results else None
        large = False
        if last is not None and last.status == TUPLES_OK:
            row = first_row(last)
            large = row is not None and sum(len(value) for value in row if value) > MAX_BUFFERED_BYTES
            job.succeed(row)
        elif last is None or last.status != COMMAND_OK:
            if self._failed(job, results):
                self.start(job)
                return
        else:
            job.succeed(None)
        self.kept = True
        if large:
            self.lose(psycopg.OperationalError("closed after a large result"))
        else:
            self._rest()

    def _note_prepared(self, statement: Statement, results: list[PGresult]) -> None:
        """Remember what was closed and prepared: even if the statement itself has failed then."""
        closing, self._closing, self._preparing = self._closing, [], None
        for name, result in zip(closing, results, strict=False):
            if result.status == COMMAND_OK:
                self._prepared.closed(name)
        if len(results) > len(closing) and results[len(closing)].status == COMMAND_OK:
            self._prepared.add(statement)
        else:
            self._ran_prepared = True  # what it is called is taken, perhaps

    def _failed(self, job: Job, results: list[PGresult]) -> bool:
        """Answer with the error. True if the statement is to be run again instead, unprepared."""
        error = next((one for one in map(_error, results) if one is not None), None)
        if error is None or error.sqlstate is None:  # of libpq, not of PostgreSQL
            self.job = job
            self.lose(psycopg.OperationalError(f"the connection is lost: {error}"))
            return False
        if self._ran_prepared and error.sqlstate in NOT_AS_PREPARED:
            self._prepared.spoil(job.statement.name)
            job.prepares = False
            if not job.answer.done():
                return True
        job.fail(error)
        return False

    async def _cancel_statement(self) -> None:
        """Cancel it. PostgreSQL has sent the signal when this ends, so that it cannot hit a later statement."""
        try:
            await self._connection.cancel_safe(timeout=deadlines.CANCEL_SECONDS)
        except Exception as error:  # then it might still come, so the connection must not be used again
            log.warning("a statement could not be cancelled", exc_info=error)
            self._cancel = None
            self.lose(error)
            return
        self._cancel = None
        self._rest()

    def _rest(self) -> None:
        """Be idle, if the statement has ended and so has its cancel."""
        if self.job is None and self._cancel is None and not self.closed:
            self.given_up_at = None
            self._owner.is_idle(self)


def first_row(result: PGresult) -> Row | None:
    """The first row of a result, if it has any."""
    if result.ntuples == 0:
        return None
    return [result.get_value(0, column) for column in range(result.nfields)]


def _error(result: PGresult) -> psycopg.Error | None:
    return None if result.status in (COMMAND_OK, TUPLES_OK) else error_from_result(result)
