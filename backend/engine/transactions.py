"""The unit of work of a mutation (one transaction with retries), and the snapshot of a query.

Rules
- The outermost call opens one durable transaction; code that writes raises an error outside of one.
- It is retried only when PostgreSQL aborted it: a deadlock, a serialization failure, a prepared statement whose table has
  changed. A conflict is never retried here; that is the client's decision.
- An error from COMMIT means that the outcome is unknown, unless PostgreSQL says that it rolled back.
- Errors are turned into answers outside the transaction, so a refusal has rolled everything back. Whoever answers logs the
  refusal (`refusal_log`); here a line says only what no answer does: that a transaction was run again.
"""

import logging
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from time import perf_counter, sleep
from typing import Any, TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import IsolationLevel
from psycopg.pq import TransactionStatus

from backend.engine import committed, deadline, fibers, metrics, pipeline
from backend.engine.errors import Busy, OutcomeUnknown, Refusal, after_busy_ms
from backend.engine.outage import OUTAGE, THE_DATABASE_ITSELF
from backend.engine.pipeline import Pipeline
from backend.engine.scoped import Scoped
from backend.logs.causes import database_facts

log = logging.getLogger("katha")

ResultT = TypeVar("ResultT")

MAX_ATTEMPTS = 8
"""Enough for many writers: of those that collide one always commits, so each attempt meets fewer."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.01, 0.3

SERIALIZATION_FAILURE = "40001"
DEADLOCK = "40P01"
RUN_AGAIN = frozenset({SERIALIZATION_FAILURE, DEADLOCK, *pipeline.NOT_AS_PREPARED})

RETRY_LATER = ("08", "25P02", "25P03", "25P04", "26000", "40", "42P05", "53", "55P03", "57")
"""SQLSTATEs (PostgreSQL manual, appendix A) that mean "try again later": connection exceptions, transaction timeouts, prepared
statements that a pooler has mixed up, rollbacks, lack of resources, lock timeouts, cancelled statements, a shutdown.
"""

ROLLED_BACK_AT_COMMIT = ("23", "40000", "40001", "40002", "40P01")
"""SQLSTATEs by which COMMIT reports that it rolled back: a deferred constraint, a serialization failure. 40003
(statement completion unknown) is not among them.
"""


def unit_of_work(work: Callable[[], ResultT], *, isolation: IsolationLevel | None = None) -> ResultT:
    """Run `work` in one durable transaction and return what it returned, once that is committed.

    `isolation` asks for more than READ COMMITTED, for rules that span rows. Raises any refusal that `work` raised,
    `Busy` if the database could not serve it, `OutcomeUnknown` if the connection broke at COMMIT. What waited to be sent
    before it, such as the question who is asking, is asked again with each attempt until it is answered.
    """
    current = pipeline.current()
    before = current.waiting()
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            with _transaction(current, isolation):
                result = _checked(work, current)
                _require_committable(current.wrapper)
                deadline.require_no_cancel()
            committed.note()
            deadline.extend()
            return result
        except (DatabaseError, InterfaceError) as error:
            state = sqlstate(error)
            runs_again = state in RUN_AGAIN and attempt < MAX_ATTEMPTS
            metrics.aborted(state, runs_again=runs_again)
            if runs_again:
                log.warning("transaction run again", extra=database_facts(error))
                _pause(attempt)
                current.wait_again(before)
                continue
            current.drop_broken_connection()
            refusal = refusal_for(error, committing=current.is_committing)
            if refusal is None:
                raise
            raise refusal from error
    raise AssertionError("unreachable: the last attempt returns or raises")


def _checked(work: Callable[[], ResultT], current: Pipeline) -> ResultT:
    """What `work` returns. Checks of statements that still wait come first, also before what it refuses."""
    try:
        result = work()
    except Refusal:
        current.settle_checks()
        raise
    current.settle_checks()
    return result


@contextmanager
def snapshot() -> Iterator[None]:
    """All reads inside see one snapshot: REPEATABLE READ, READ ONLY. Nothing is sent to the database before the first read."""
    current = pipeline.current()
    try:
        with _transaction(current, IsolationLevel.REPEATABLE_READ, read_only=True, operation=metrics.QUERY):
            yield
    except (DatabaseError, InterfaceError) as error:
        current.drop_broken_connection()
        refusal = refusal_for(error)
        if refusal is None:
            raise
        raise refusal from error


_ANSWER: ContextVar[list[AbstractContextManager[None]] | None] = ContextVar("answer", default=None)
"""The snapshot of an answer, if it has begun one. None where no answer is made."""


class answer_snapshots(Scoped[Any]):  # noqa: N801
    """While the answers to mutations are made, each may read in one snapshot: see `begin_answer_snapshot`."""

    def __init__(self) -> None:
        super().__init__(_ANSWER, [])

    def __exit__(self, *_: object) -> None:
        try:
            end_answer_snapshot()
        finally:
            super().__exit__()


def begin_answer_snapshot() -> None:
    """Let all that the answer to this mutation still reads see one snapshot. Where no answer is made, nothing happens."""
    begun = _ANSWER.get()
    if begun is not None:
        end_answer_snapshot()
        new = snapshot()
        new.__enter__()
        begun.append(new)


def end_answer_snapshot() -> None:
    """End the snapshot of an answer, if there is one. Nothing was written in it, so that its end fails does not matter."""
    begun = _ANSWER.get()
    if begun:
        with suppress(Refusal):
            begun.pop().__exit__(None, None, None)


@contextmanager
def _transaction(
    current: Pipeline, isolation: IsolationLevel | None, *, read_only: bool | None = None, operation: str | None = None
) -> Iterator[None]:
    """One durable transaction, timed for the operation. psycopg puts isolation and mode into its BEGIN: a round trip less."""
    deadline.check_before()
    current.begin()  # first: also that there is no connection is told of this transaction, not of one before
    current.drop_broken_connection()
    current.wrapper.ensure_connection()
    raw = current.wrapper.connection
    if isolation is not None:
        raw.isolation_level, raw.read_only = isolation, read_only
    began = perf_counter()
    try:
        with deadline.cancellable(raw), transaction.atomic(durable=True):
            yield
        if not raw.closed:  # an error in a query becomes part of its answer and does not come through here
            OUTAGE.served()
    finally:
        metrics.transaction_took(perf_counter() - began, operation)
        if isolation is not None and not raw.closed:
            raw.isolation_level = raw.read_only = None


def _require_committable(connection: BaseDatabaseWrapper) -> None:
    """Raise RuntimeError if a database error was swallowed: COMMIT would then silently roll back."""
    if connection.needs_rollback or connection.connection.pgconn.transaction_status == TransactionStatus.INERROR:
        raise RuntimeError(
            "A unit of work must let database errors through: after one, nothing of it can be committed."
        )


def sqlstate(error: BaseException) -> str | None:
    """The SQLSTATE of a Django database error, or None if the server sent none."""
    return getattr(error.__cause__, "sqlstate", None)


def violated_constraint(error: BaseException) -> str | None:
    """The name of the constraint that a database error reports as violated."""
    name: str | None = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
    return name


def refusal_for(error: Exception, *, committing: bool = False) -> Refusal | None:
    """The refusal for a database error, which is its cause; None for a bug of ours, which must surface as an internal error."""
    refusal = _refusal_for(sqlstate(error), error, committing=committing)
    if refusal is not None:
        refusal.__cause__ = error
    return refusal


def _refusal_for(state: str | None, error: Exception, *, committing: bool) -> Refusal | None:
    lost = state is None and isinstance(error, OperationalError | InterfaceError)
    if lost or (state or "").startswith(THE_DATABASE_ITSELF):
        OUTAGE.failed()
    if committing and not (state or "").startswith(ROLLED_BACK_AT_COMMIT):
        return OutcomeUnknown(after_ms=after_busy_ms())
    if committing or lost or (state or "").startswith(RETRY_LATER):
        return Busy(after_ms=after_busy_ms())
    return None


def _pause(attempt: int) -> None:
    """Sleep with full jitter, so that transactions which collided do not collide again."""
    fibers.blocking(partial(sleep, random.uniform(0, min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**attempt))))
