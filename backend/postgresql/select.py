"""Runs one SELECT on this thread's connection: its own snapshot, without a transaction around it.

It takes and gives what `reads` does. It is for what a thread does from beginning to end: the rows that a mutation shows, and
the tests and the bench. As there, a statement whose connection breaks is run once more on a new one: it has only read, and a
write that is committed is to be answered.
"""

from collections.abc import Sequence
from time import perf_counter

import psycopg
from django.db import InterfaceError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from backend import tracing
from backend.engine import deadline, metrics
from backend.engine.outage import OUTAGE
from backend.engine.pipeline import Pipeline, Statement, current
from backend.postgresql.session import Row, first_row


def select(statement: Statement, parameters: Sequence[bytes | None]) -> Row | None:
    """The first row, each value as text; None if there is none. It is cancelled when the request's time is up.

    Raises Django's database errors.
    """
    deadline.check()
    pipeline = current()
    connection = pipeline.wrapper
    if connection.in_atomic_block:
        return _first_row(connection, statement, parameters)
    try:
        return _select(pipeline, statement, parameters)
    except (OperationalError, InterfaceError):
        if connection.connection is not None and not connection.connection.closed:
            raise
        deadline.check()
        return _select(pipeline, statement, parameters)


def _select(pipeline: Pipeline, statement: Statement, parameters: Sequence[bytes | None]) -> Row | None:
    connection = pipeline.wrapper
    pipeline.drop_broken_connection()
    connection.ensure_connection()
    began = perf_counter()
    try:
        with deadline.cancellable(connection.connection):
            row = _first_row(connection, statement, parameters)
        OUTAGE.served()
    finally:
        metrics.QUERY_SECONDS.observe(perf_counter() - began)
    return row


def _first_row(connection: BaseDatabaseWrapper, statement: Statement, parameters: Sequence[bytes | None]) -> Row | None:
    cursor = psycopg.RawCursor(connection.connection)
    texts = [None if one is None else one.decode() for one in parameters]
    with tracing.running(statement.sql, statement.name):
        CursorWrapper(cursor, connection).execute(statement.sql.decode(), texts)
    assert cursor.pgresult is not None
    return first_row(cursor.pgresult)
