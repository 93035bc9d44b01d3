"""What is counted of units of work. `docs/operations.md` says what each figure means.

Labels are names that Katha itself gave: of mutations, jobs, types. Nothing that a client sends becomes one, so there is a
fixed number of series, and no personal data in any.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

REGISTRY: Final = CollectorRegistry()
"""The figures of this process. Where several processes serve, prometheus_client adds them up (multiprocess mode)."""

COMMITTED, REFUSED, ROLLED_BACK, UNKNOWN = OUTCOMES = "committed", "refused", "rolled_back", "unknown"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# --- Counted where a mutation ends ------------------------------------------------------------------------------

TRANSACTIONS = Counter(
    "katha_transactions", "Mutations that ended, by how.", ["operation", "outcome"], registry=REGISTRY
)
TRANSACTION_SECONDS = Histogram(
    "katha_transaction_seconds",
    "How long mutations took, from their start to their answer.",
    ["operation"],
    buckets=SECONDS,
    registry=REGISTRY,
)
REFUSALS = Counter("katha_refusals", "Mutations that wrote nothing, by code.", ["operation", "code"], registry=REGISTRY)
CONFLICTS = Counter(
    "katha_conflicts", "Conflicts, by the type of what was fought over.", ["operation", "type"], registry=REGISTRY
)
REPLAYS = Counter(
    "katha_replays", "Mutations that gave the first reply to their key again.", ["operation"], registry=REGISTRY
)
UNCONDITIONED = Counter(
    "katha_unconditioned_writes", "Writes that expected nothing (current: true).", ["operation"], registry=REGISTRY
)

LIMITED = Counter(
    "katha_rate_limited", "What was refused because there was too much of it, by limit.", ["limit"], registry=REGISTRY
)

FAULTS = Counter("katha_faults", "Errors that Katha did not expect; each is in the log.", registry=REGISTRY)

# --- Counted in the unit of work --------------------------------------------------------------------------------

RERUNS = Counter(
    "katha_reruns", "Transactions that were run again, by cause.", ["operation", "cause"], registry=REGISTRY
)
DEADLOCKS = Counter("katha_deadlocks", "Transactions ended by a deadlock.", ["operation"], registry=REGISTRY)
SERIALIZATION_FAILURES = Counter(
    "katha_serialization_failures", "Transactions that could not be serialized.", ["operation"], registry=REGISTRY
)
LOCK_TIMEOUTS = Counter(
    "katha_lock_timeouts", "Transactions that waited too long for a lock.", ["operation"], registry=REGISTRY
)

JOBS = Counter("katha_jobs", "Runs of background jobs, by how they ended.", ["task", "outcome"], registry=REGISTRY)

CAUSES = {"40P01": ("deadlock", DEADLOCKS), "40001": ("serialization_failure", SERIALIZATION_FAILURES)}
LOCK_TIMEOUT = "55P03"


_OPERATION: ContextVar[str] = ContextVar("operation", default="other")


@contextmanager
def operation(name: str) -> Iterator[None]:
    """What happens inside is counted as part of this operation: a mutation, a job."""
    token = _OPERATION.set(name)
    try:
        yield
    finally:
        _OPERATION.reset(token)


def broken_off(sqlstate: str | None, *, runs_again: bool) -> None:
    """Count that PostgreSQL broke a transaction off, and whether it is run again."""
    name = _OPERATION.get()
    if sqlstate == LOCK_TIMEOUT:
        LOCK_TIMEOUTS.labels(name).inc()
    if sqlstate in CAUSES:
        cause, counter = CAUSES[sqlstate]
        counter.labels(name).inc()
        if runs_again:
            RERUNS.labels(name, cause).inc()


def job_ended(task: str, outcome: str) -> None:
    """Count one run of a background job: its task's name, and how it ended."""
    JOBS.labels(task, outcome).inc()


class Ended:
    """The figures of one operation, looked up once, because every mutation counts."""

    def __init__(self, name: str) -> None:
        self._outcomes = {outcome: TRANSACTIONS.labels(name, outcome) for outcome in OUTCOMES}
        self._seconds = TRANSACTION_SECONDS.labels(name)
        self._replays, self._unconditioned = REPLAYS.labels(name), UNCONDITIONED.labels(name)

    def count(self, outcome: str, seconds: float, *, replayed: bool = False, unconditioned: bool = False) -> None:
        """Count one mutation that has ended."""
        self._outcomes[outcome].inc()
        self._seconds.observe(seconds)
        if replayed:
            self._replays.inc()
        if unconditioned:
            self._unconditioned.inc()


@cache
def ended(name: str) -> Ended:
    """The figures of the operation with this name. Asked for at the start, they show as 0 before anything happens."""
    return Ended(name)
