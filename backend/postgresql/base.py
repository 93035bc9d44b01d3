"""Django's connection to PostgreSQL, without two things that cost every request and that Katha does not need."""

from typing import Any

import psycopg
from django.db.backends.postgresql import base
from django.db.backends.utils import debug_transaction
from psycopg import adapters
from psycopg.pq import ExecStatus, Format

MOMENTS = adapters.get_loader(adapters.types["timestamptz"].oid, Format.TEXT)
"""psycopg's own reading of a moment, written in C where that is installed. Django's is not, and allows for any time zone."""


class DatabaseWrapper(base.DatabaseWrapper):
    """Katha's connections: always in UTC, with statements that stay prepared."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> "psycopg.Connection[Any]":
        """Connect."""
        connection: psycopg.Connection[Any] = super().get_new_connection(conn_params)
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
            result = self.connection.pgconn.exec_(b"ROLLBACK")
            if result.status != ExecStatus.COMMAND_OK:
                raise psycopg.OperationalError(result.get_error_message())
