"""Django's connection to PostgreSQL, without two things that cost every request, and with an end to waiting."""

from typing import Any

import psycopg
from django.db.backends.postgresql import base
from django.db.backends.utils import debug_transaction
from psycopg import adapters
from psycopg.abc import PQGen
from psycopg.pq import Format, TransactionStatus

from backend.engine import deadline

MOMENTS = adapters.get_loader(adapters.types["timestamptz"].oid, Format.TEXT)
"""psycopg's own reading of a moment, written in C where that is installed. Django's is not, and allows for any time zone."""


class Connection(psycopg.Connection[Any]):
    """A connection that gives up a database that has fallen silent.

    PostgreSQL ends statements that take too long. When it is stopped, or what stands between does not pass on anything any
    more, nobody says so, and whoever waits would wait for ever.
    """

    def wait(self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer. Raises `OperationalError`, with the connection closed, if none comes in time."""
        if timeout is not None:  # psycopg itself does not wait for ever here
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, deadline.patience())
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:  # whatever it says later is not for us
                self.pgconn.finish()
            raise


class DatabaseWrapper(base.DatabaseWrapper):
    """Katha's connections: always in UTC, with statements that stay prepared."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> "psycopg.Connection[Any]":
        """Connect. Unlike Django's own this knows no pool, and no isolation but that of each transaction."""
        if deadline.refused() is not None:  # connecting may take seconds that the request does not have any more
            raise psycopg.OperationalError("no time is left to connect")
        connection = Connection.connect(**conn_params)
        assert MOMENTS is not None
        connection.adapters.register_loader("timestamptz", MOMENTS)
        return connection

    def create_cursor(self, name: str | None = None) -> "psycopg.Cursor[Any] | psycopg.ServerCursor[Any]":
        """A cursor that reads moments as its connection does; Django's would look for a time zone of its own."""
        if name is None:
            return self.connection.cursor()
        return self.connection.cursor(name, scrollable=False, withhold=self.connection.autocommit)

    def _rollback(self) -> None:
        """Roll back, and keep the statements that are prepared: every refusal rolls back.

        psycopg's own rollback forgets all of them, because a table might have been made in the transaction; then each
        would be parsed and planned anew, several times, until it is prepared again. After an error of PostgreSQL's own
        they are forgotten: a table may have been changed under a statement, which then fails until it is prepared anew.
        """
        if self.errors_occurred:
            super()._rollback()  # type: ignore[misc]
            return
        with debug_transaction(self, "ROLLBACK"), self.wrap_database_errors:
            self.connection.wait(self.connection._exec_command(b"ROLLBACK"))
