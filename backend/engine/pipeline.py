"""Sends prepared statements over one connection: those whose results nobody needs yet share one round trip.

A statement waits until somebody looks at its result, or at that of a later one. All that wait are sent together then, in their
order, in libpq's pipeline mode (PostgreSQL manual, section 32.5): BEGIN with the first of a transaction, COMMIT with the last.
After an error PostgreSQL runs nothing of what was sent with it, so nothing of it has a result.

What still waits when a transaction is rolled back is never sent.
"""

import hashlib
import select
import threading
from asyncio import _get_running_loop
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from psycopg.abc import PQGen
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, PipelineStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.waiting import Ready, Wait

from backend import tracing
from backend.engine import deadline, fibers
from backend.engine.fibers import Fiber

# Plain numbers: they are compared for each result, and an IntEnum is slow at that.
DONE = frozenset(map(int, (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)))
SYNC, ABORTED, BAD = int(ExecStatus.PIPELINE_SYNC), int(ExecStatus.PIPELINE_ABORTED), int(ConnStatus.BAD)
IDLE, OFF = int(TransactionStatus.IDLE), int(PipelineStatus.OFF)

NOT_AS_PREPARED = frozenset({"0A000", "26000", "42P05"})
"""SQLSTATEs of a prepared statement that is of no use: its table has changed, it is gone (a pooler's other connection), or
its name is taken.
"""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with parameters `$1`…, and the name by which it is prepared; without a name it is not."""

    sql: bytes
    name: bytes

    @classmethod
    def of(cls, sql: str) -> "Statement":
        """The statement with this text. Made once for each text: the name is a hash of it."""
        text = sql.encode()
        return cls(text, b"r_" + hashlib.blake2b(text, digest_size=16).hexdigest().encode())


BEGIN, COMMIT = Statement(b"BEGIN", b""), Statement(b"COMMIT", b"")


class Sent:
    """A statement with its parameters, and its result once it has one."""

    __slots__ = ("check", "parameters", "result", "statement")

    def __init__(
        self,
        statement: Statement,
        parameters: Sequence[bytes | None],
        check: Callable[[PGresult], None] | None = None,
    ) -> None:
        self.statement, self.parameters, self.check = statement, parameters, check
        self.result: PGresult | None = None


class Pipeline:
    """The statements of one of Django's connections that wait to be sent."""

    def __init__(self, wrapper: BaseDatabaseWrapper) -> None:
        self.wrapper = wrapper
        """Django's connection."""
        self._raw: Any = None
        self.begin()
        self.drop()

    def rows_of(self, result: PGresult) -> list[tuple[Any, ...]]:
        """The rows of a result, with Python's values as Django has them made."""
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, tuple)

    def begin(self) -> None:
        """A transaction begins, of which nothing is committed. What waits belongs to it."""
        self.is_committing = False
        """Whether a COMMIT was sent: of what fails from then on nobody may say that nothing was written."""

    def drop(self) -> None:
        """Forget what waits: it is rolled back."""
        self._waiting: list[Sent] = []

    def drop_broken_connection(self) -> None:
        """Close the connection if it is broken, so that a new one is opened.

        This sends nothing: an idle connection has nothing to read unless the server has closed it.
        """
        raw = self.wrapper.connection
        if raw is None or self.wrapper.in_atomic_block:
            return
        if raw.closed or _has_something_to_read(raw.fileno()):
            self.wrapper.close()

    def waiting(self) -> list[Sent]:
        """What waits now."""
        return list(self._waiting)

    def wait_again(self, those: Sequence[Sent]) -> None:
        """Let these be sent again that have no result: what came with them was rolled back."""
        self._waiting += [sent for sent in those if sent.result is None]

    def send(self, sent: Sent) -> Sent:
        """Let the statement be sent with the next one whose result is needed.

        Its check looks at its result before anybody sees that of a later one; what it raises is raised there. Who watches
        statements by Django's `execute_wrapper` sees each as it is sent, on its own.
        """
        if not self.wrapper.execute_wrappers:
            self._waiting.append(sent)
            return sent

        def execute(*_: Any) -> None:
            self._waiting.append(sent)
            self.flush()

        texts = [None if one is None else one.decode() for one in sent.parameters]
        cursor = CursorWrapper(None, self.wrapper)
        cursor._execute_with_wrappers(sent.statement.sql.decode(), texts, many=False, executor=execute)
        return sent

    def result(self, sent: Sent) -> PGresult:
        """The result of a statement, which is sent now if it waits. Raises Django's database errors."""
        if sent.result is None:
            self.flush()
        if sent.result is None:
            raise RuntimeError(
                "This statement has no result: it was rolled back, or one that was sent before it failed."
            )
        return sent.result

    def flush(self) -> None:
        """Send all that waits, in one round trip. Raises Django's database errors, and what the checks of results raise."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            raw = self._connection()
            with self.wrapper.wrap_database_errors, _Trip(raw, waiting) as trip:
                trip.receive()
                is_again = trip.sqlstate in NOT_AS_PREPARED and raw.autocommit
                if not is_again:
                    trip.settle()
            if is_again:
                self.forget_prepared()
                with self.wrapper.wrap_database_errors, _Trip(raw, waiting) as trip:
                    trip.receive()
                    trip.settle()

    def forget_prepared(self) -> None:
        """Prepare everything anew: what is prepared may be of no use any more."""
        raw = self.wrapper.connection
        raw.prepared.clear()
        raw._prepared.clear()  # psycopg's own are gone with them
        raw._prepared._to_flush.clear()
        with self.wrapper.wrap_database_errors:
            raw.wait(raw._exec_command(b"DEALLOCATE ALL"))

    def _connection(self) -> Any:
        """The connection that is there now. Raises Django's database errors."""
        self.wrapper.ensure_connection()
        raw = self.wrapper.connection
        if raw is not self._raw:
            self._raw, self._transformer = raw, Transformer(raw)
        return raw

    def settle_checks(self) -> None:
        """Send what waits if it has a check, which may refuse all of it: it must not be in one round trip with COMMIT."""
        if any(sent.check is not None for sent in self._waiting):
            self.flush()

    def commit(self) -> None:
        """Send all that waits, and COMMIT, in one round trip. Raises Django's database errors.

        The request's time limit cancels what comes before COMMIT, but not COMMIT itself.
        """
        waiting, self._waiting = self._waiting, []
        raw = self._connection()
        if not waiting:
            if raw.pgconn.transaction_status == IDLE:
                return
            deadline.committing()
        self.is_committing = True
        with self.wrapper.wrap_database_errors, _Trip(raw, waiting, commits=True) as trip:
            if waiting:
                trip.receive(all_but=1)
                self.is_committing = not trip.sqlstate  # unless PostgreSQL itself has refused what comes before it
                deadline.committing()
            trip.receive()
            trip.settle()


def _has_something_to_read(socket: int) -> bool:
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))


class _Preparation(NamedTuple):
    """The message that prepares a statement by this name."""

    name: bytes


class _Trip:
    """What is sent together, and the results as they come. A connection that it leaves in the middle is closed."""

    def __init__(self, raw: Any, waiting: Sequence[Sent], *, commits: bool = False) -> None:
        self._raw, self._pg, self._waiting, self._commits = raw, raw.pgconn, waiting, commits
        self._messages: list[Sent | Statement | _Preparation] = []
        """What was sent; BEGIN and COMMIT as a statement without parameters."""
        self._prepares: set[bytes] = set()
        """The names of the statements that it prepares."""
        self._results: list[PGresult] = []
        self._failed: PGresult | None = None
        """The first result that is an error."""

    def __enter__(self) -> "_Trip":
        self._began = perf_counter()
        try:
            self._send(self._waiting, commits=self._commits)
        except BaseException:
            self._close_if_left()
            raise
        return self

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        self._close_if_left()
        if tracing.tracer is not None:
            self._trace(error)

    def _close_if_left(self) -> None:
        if self._pg.pipeline_status != OFF and self._pg.status != BAD:
            self._pg.finish()

    def _trace(self, lost: BaseException | None) -> None:
        """Tell of each statement that has run, or of which nobody knows: all of them took as long as the trip."""
        for number, message in enumerate(self._messages):
            result = self._results[number] if number < len(self._results) else None
            if isinstance(message, _Preparation) or (result is not None and result.status == ABORTED):
                continue
            failed = lost if result is None else None if result.status in DONE else error_from_result(result)
            statement = message.statement if isinstance(message, Sent) else message
            tracing.tracer.ran(statement.sql, statement.name, self._began, failed)

    @property
    def sqlstate(self) -> str | None:
        """That of the first error that has come, or ""; None if there is none."""
        return None if self._failed is None else error_from_result(self._failed).sqlstate or ""

    def receive(self, *, all_but: int = 0) -> None:
        """Wait for all results, or all but so many of the last ones."""
        try:
            self._raw.wait(self._receive(len(self._messages) - all_but if all_but else None))
        except psycopg.OperationalError:
            if self._failed is None:  # otherwise PostgreSQL has said why it ended the connection
                raise

    def settle(self) -> None:
        """Give the statements their results, in order, up to the first error or refusal, which is raised."""
        if self._prepares:
            # All first, because a check that refuses ends what follows. A name that PostgreSQL refuses may be taken: it has to go
            # with the others once they are forgotten.
            for message, result in zip(self._messages, self._results, strict=False):
                if isinstance(message, _Preparation) and result.status != ABORTED:
                    self._raw.prepared.add(message.name)
        for message, result in zip(self._messages, self._results, strict=False):
            if result is self._failed:
                raise error_from_result(result)
            if isinstance(message, Sent):
                message.result = result
                if message.check is not None:
                    message.check(result)
        if len(self._results) < len(self._messages):
            raise psycopg.OperationalError("the connection is lost")

    def _send(self, waiting: Sequence[Sent], *, commits: bool) -> None:
        pg, raw, messages = self._pg, self._raw, self._messages
        begins = not raw.autocommit and pg.transaction_status == IDLE
        pg.enter_pipeline_mode()
        if begins:
            messages.append(BEGIN)
            pg.send_query_params(raw._get_tx_start_command(), None)
        fresh = self._prepares
        for sent in waiting:
            name = sent.statement.name
            if name and name not in raw.prepared and name not in fresh:
                fresh.add(name)
                messages.append(_Preparation(name))
                pg.send_prepare(name, sent.statement.sql)
            messages.append(sent)
            if name:
                pg.send_query_prepared(name, sent.parameters)
            else:
                pg.send_query_params(sent.statement.sql, sent.parameters)
        if commits:
            pg.send_flush_request()  # so the results of what comes before COMMIT do not wait for it
            messages.append(COMMIT)
            pg.send_query_params(COMMIT.sql, None)
        pg.pipeline_sync()
        if pg.flush():  # the socket does not take all of it at once
            raw.wait(self._flush())

    def _flush(self) -> PQGen[None]:
        while self._pg.flush():
            if (yield Wait.RW) & Ready.R:
                self._pg.consume_input()

    def _receive(self, count: int | None) -> PQGen[None]:
        """Take results until there are so many, or all of them."""
        pg, results = self._pg, self._results
        while pg.status != BAD:
            while not pg.is_busy():
                result = pg.get_result()
                if result is None:  # no more has come yet
                    break
                status = result.status
                if status == SYNC:
                    pg.exit_pipeline_mode()
                    return
                if self._failed is None and status not in DONE:
                    self._failed = result
                results.append(result)
                pg.get_result()  # None, which stands after each
                if len(results) == count:
                    return
            if (yield Wait.R) & Ready.R:
                pg.consume_input()


class _Here(threading.local):
    """What a thread keeps, as a fiber does."""

    pipeline: Any = None


_here = _Here()


def current() -> Pipeline:
    """That of the connection of this fiber, or of this thread, which is looked up once. In an event loop Django keeps another."""
    here: Fiber | _Here | None = fibers.current()
    if here is None and _get_running_loop() is None:
        here = _here
    pipeline: Pipeline | None = None if here is None else here.pipeline
    if pipeline is None:
        wrapper: Any = connections[DEFAULT_DB_ALIAS]
        pipeline = wrapper.pipeline
        if here is not None:
            here.pipeline = pipeline
    return pipeline
