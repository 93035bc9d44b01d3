"""Django's PostgreSQL backend with a read timeout, kept prepared statements and faster timestamps."""

from functools import partial
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from django.db.backends.utils import CursorWrapper
from psycopg import adapters
from psycopg.abc import PQGen
from psycopg.pq import Format, TransactionStatus

from backend import tracing
from backend.engine import deadline, fibers, metrics
from backend.engine.pipeline import Pipeline
from backend.logs.causes import connection_cause

MOMENTS = adapters.get_loader(adapters.types["timestamptz"].oid, Format.TEXT)
"""psycopg's own loader for timestamps, in C if installed. Django's is in Python, because it supports any time zone."""


class Connection(psycopg.Connection[Any]):
    """A connection with a timeout for databases that do not respond.

    PostgreSQL cancels statements that take too long. But if its process is suspended or the network drops packets, no
    error arrives, and a client would wait for ever.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.prepared: set[bytes] = set()
        """The names of the statements that the pipeline has prepared."""

    def _deallocate(self, name: bytes | None) -> PQGen[None]:
        """Deallocate one of psycopg's statements, or all with None, as it does after DROP or ALTER: the pipeline's too."""
        if name is None:
            self.prepared.clear()
        return super()._deallocate(name)

    def wait(self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for a response. Raises `OperationalError`, and closes the connection, if none comes in time."""
        if timeout is not None:  # psycopg has a timeout of its own here
            return super().wait(gen, interval, timeout)
        try:
            if fibers.current() is not None:
                return fibers.wait(self, gen, deadline.read_timeout())
            fibers.require_none_waits()
            return super().wait(gen, interval, deadline.read_timeout())
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:  # never read a late response
                self.pgconn.finish()
            raise


GUARDED = (
    *("connect", "ensure_connection", "cursor", "chunked_cursor", "commit", "rollback", "close"),
    *("savepoint", "savepoint_rollback", "savepoint_commit", "clean_savepoints"),
)
"""Methods that Django refuses in an event loop, where a fiber may wait. Who is in none is refused by `Connection.wait`."""


class _Traced(CursorWrapper):
    """Runs statements, and makes a span of each."""

    def execute(self, sql: Any, params: Any = None) -> Any:
        """Run one."""
        with tracing.running(sql.encode()):
            return super().execute(sql, params)

    def executemany(self, sql: Any, param_list: Any) -> Any:
        """Run one for each of these parameters."""
        with tracing.running(sql.encode()):
            return super().executemany(sql, param_list)


class DatabaseWrapper(base.DatabaseWrapper):
    """Katha's connections: always in UTC, and prepared statements are kept across rollbacks.

    Statements of the `pipeline` that wait are sent before whatever Django sends.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pipeline = Pipeline(self)

    def get_new_connection(self, conn_params: dict[str, Any]) -> "psycopg.Connection[Any]":
        """Connect. Unlike Django's version, without pool, and the isolation level is set by each transaction."""
        if deadline.refused() is not None:  # connecting may take seconds, and the request's time is up
            raise psycopg.OperationalError("no time is left to connect")
        try:
            connection = fibers.blocking(partial(Connection.connect, **conn_params))
        except psycopg.Error as error:
            metrics.CONNECTION_ERRORS.labels(connection_cause(error)).inc()
            raise
        assert MOMENTS is not None
        connection.adapters.register_loader("timestamptz", MOMENTS)
        return connection

    def create_cursor(self, name: str | None = None) -> "psycopg.Cursor[Any] | psycopg.ServerCursor[Any]":
        """A cursor that uses the connection's timestamp loader; Django's would set its own for the time zone."""
        self.pipeline.flush()
        if name is None:
            return self.connection.cursor()
        return self.connection.cursor(name, scrollable=False, withhold=self.connection.autocommit)

    def make_cursor(self, cursor: Any) -> CursorWrapper:
        """What runs Django's own statements, with a span for each while spans are sent."""
        return super().make_cursor(cursor) if tracing.tracer is None else _Traced(cursor, self)

    def set_autocommit(self, autocommit: bool, force_begin_transaction_with_broken_autocommit: bool = False) -> None:  # noqa: ARG002
        """Django's, without what Katha has no use for: a check of the connection's health, a line for each BEGIN."""
        self.validate_no_atomic_block()
        self.ensure_connection()
        self._set_autocommit(autocommit)
        self.autocommit = autocommit
        if autocommit and self.run_commit_hooks_on_set_autocommit_on:
            self.run_and_clear_commit_hooks()
            self.run_commit_hooks_on_set_autocommit_on = False

    def _set_autocommit(self, autocommit: bool) -> None:
        """Let the next statement begin a transaction, or not. It sends nothing, so it needs no lock and no wait as in psycopg.

        Nor is anything wrong with it after a COMMIT with whose answer the connection ended: that it did is found by the next one.
        """
        if self.connection.pgconn.transaction_status in (TransactionStatus.IDLE, TransactionStatus.UNKNOWN):
            self.connection._autocommit = autocommit
        else:  # psycopg says what is wrong
            super()._set_autocommit(autocommit)  # type: ignore[misc]

    def _rollback(self) -> None:
        """Roll back, and keep prepared statements, because every refusal rolls back.

        psycopg's rollback drops all of them, because a table may have been created in the transaction; each would then
        have to be parsed and planned again. After an error from PostgreSQL they are dropped here too: a table may have
        changed, and a statement prepared for the old one would fail.
        """
        self.pipeline.drop()
        if self.errors_occurred:
            super()._rollback()  # type: ignore[misc]
            if self.connection.prepared:
                self.pipeline.forget_prepared()
            return
        if self.connection.pgconn.transaction_status == TransactionStatus.IDLE:
            return
        with self.wrap_database_errors:
            self.connection.wait(self.connection._exec_command(b"ROLLBACK"))

    def _commit(self) -> None:
        """Commit, in one round trip with the statements that wait."""
        self.pipeline.commit()


for name in GUARDED:
    setattr(DatabaseWrapper, name, getattr(base.DatabaseWrapper, name).__wrapped__)
