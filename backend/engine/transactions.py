"""The unit of work that every mutation is, and the snapshot that every query reads.

Rules
- The outermost call opens one durable transaction; inner code refuses to run without one.
- It is run again only when PostgreSQL itself broke it off: deadlock or serialization failure. A conflict is never
  run again here; that is the client's decision.
- An error from COMMIT means that the outcome is unknown, unless PostgreSQL says that it rolled back.
- Errors become answers outside the transaction, so a refusal has rolled everything back.
"""

import logging
import random
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from psycopg import IsolationLevel
from psycopg.pq import TransactionStatus

from backend.engine import committed, deadline, metrics
from backend.engine.errors import Busy, OutcomeUnknown, Refusal, after_busy_ms

log = logging.getLogger("katha")

ResultT = TypeVar("ResultT")

MAX_ATTEMPTS = 8
"""Enough for a crowd: of those who collide one always commits, so each attempt meets fewer."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.01, 0.3

SERIALIZATION_FAILURE = "40001"
DEADLOCK = "40P01"
RUN_AGAIN = frozenset({SERIALIZATION_FAILURE, DEADLOCK})

SERVED_LATER = ("08", "25P02", "25P03", "25P04", "40", "53", "55P03", "57")
"""SQLSTATEs (PostgreSQL manual, appendix A) of a database that cannot serve now: connection exceptions, time-outs of
a transaction, rollbacks, lack of resources, a lock not had in time, a statement cancelled or the server going down."""

AFTER_ANOTHER = "25P02"
"""Of a statement in a transaction in which another has failed: that one has been logged."""

ROLLED_BACK_AT_COMMIT = ("23", "40000", "40001", "40002", "40P01")
"""SQLSTATEs with which COMMIT itself says that it rolled back: a deferred constraint, a serialization failure. Of class
40 not 40003, which says that nobody knows."""


def unit_of_work(work: Callable[[], ResultT], *, isolation: IsolationLevel | None = None) -> ResultT:
    """Run `work` in one durable transaction and return what it returned, once that is committed.

    `isolation` asks for more than READ COMMITTED where a rule spans rows. Raises whatever refusal `work` raised;
    `Busy` if the database could not serve it; `OutcomeUnknown` if the connection broke at COMMIT.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        committing = False
        try:
            with _transaction(isolation):
                result = work()
                _require_committable()
                deadline.committing()
                committing = True
            committed.note()
            deadline.extend()
            return result
        except (DatabaseError, InterfaceError) as error:
            state = sqlstate(error)
            runs_again = state in RUN_AGAIN and attempt < MAX_ATTEMPTS
            metrics.broken_off(state, runs_again=runs_again)
            if runs_again:
                _pause(attempt)
                continue
            drop_broken_connection()
            refusal = refusal_for(error, committing=committing)
            if refusal is None:
                raise
            raise refusal from error
    raise AssertionError("unreachable: the last attempt returns or raises")


@contextmanager
def snapshot() -> Iterator[None]:
    """All reads inside see one moment: REPEATABLE READ, READ ONLY. Nothing is sent before the first read."""
    try:
        with _transaction(IsolationLevel.REPEATABLE_READ, read_only=True):
            yield
    except (DatabaseError, InterfaceError) as error:
        drop_broken_connection()
        refusal = refusal_for(error)
        if refusal is None:
            raise
        raise refusal from error


@contextmanager
def _transaction(isolation: IsolationLevel | None, *, read_only: bool | None = None) -> Iterator[None]:
    """One durable transaction. psycopg puts isolation and mode into its BEGIN, so neither costs a round trip."""
    deadline.check_before()
    drop_broken_connection()
    connection.ensure_connection()
    raw = connection.connection
    if isolation is not None:
        raw.isolation_level, raw.read_only = isolation, read_only
    try:
        with deadline.breakable(raw), transaction.atomic(durable=True):
            yield
    finally:
        if isolation is not None and not raw.closed:
            raw.isolation_level = raw.read_only = None


def _require_committable() -> None:
    """Raise RuntimeError if a database error was swallowed: COMMIT would then roll back without a word."""
    if connection.needs_rollback or connection.connection.info.transaction_status is TransactionStatus.INERROR:
        raise RuntimeError(
            "A unit of work must let database errors through: after one, nothing of it can be committed."
        )


def sqlstate(error: BaseException) -> str | None:
    """The SQLSTATE behind a Django database error, or None if the server did not send one."""
    return getattr(error.__cause__, "sqlstate", None)


def violated_constraint(error: BaseException) -> str | None:
    """The name of the constraint that a database error says was violated."""
    name: str | None = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
    return name


def drop_broken_connection() -> None:
    """Close a connection that no longer works, so that this thread opens a new one.

    Nothing is sent for it: from an idle connection there is nothing to read, unless the server has closed it.
    """
    raw = connection.connection
    if raw is None or connection.in_atomic_block:
        return
    if raw.closed or _has_something_to_read(raw.fileno()):
        connection.close()


def _has_something_to_read(socket: int) -> bool:
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))


def refusal_for(error: Exception, *, committing: bool = False) -> Refusal | None:
    """What to tell the client of a database error, which is logged; None where it is a fault of ours that must be seen as one."""
    refusal = _refusal_for(sqlstate(error), error, committing=committing)
    if refusal is not None and sqlstate(error) != AFTER_ANOTHER:
        log.warning("the database could not serve this", exc_info=error, extra={"code": refusal.code})
    return refusal


def _refusal_for(state: str | None, error: Exception, *, committing: bool) -> Refusal | None:
    if committing and not (state or "").startswith(ROLLED_BACK_AT_COMMIT):
        return OutcomeUnknown(after_ms=after_busy_ms())
    lost = state is None and isinstance(error, OperationalError | InterfaceError)
    if committing or lost or (state or "").startswith(SERVED_LATER):
        return Busy(after_ms=after_busy_ms())
    return None


def _pause(attempt: int) -> None:
    """Wait with full jitter, so that those who collided do not collide again."""
    time.sleep(random.uniform(0, min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**attempt)))
