"""Prometheus metrics of mutations, queries, transactions and jobs; `docs/operations.md` explains each.

Label values are names from the code: of mutations, jobs, types. Nothing that a client sends becomes a label, so the
number of series is fixed and none contains personal data.
"""

from contextvars import ContextVar
from functools import cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from backend.engine.scoped import Scoped
from backend.logs.causes import CONNECTION_CAUSES
from backend.logs.queued import DROPPED

REGISTRY: Final = CollectorRegistry()
"""The metrics of this process. With several processes, prometheus_client adds them up (multiprocess mode)."""

COMMITTED, REFUSED, ROLLED_BACK, UNKNOWN = OUTCOMES = "committed", "refused", "rolled_back", "unknown"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# --- Counted where a mutation ends ------------------------------------------------------------------------------

TRANSACTIONS = Counter(
    "katha_transactions", "Mutations that ended, by how.", ["operation", "outcome"], registry=REGISTRY
)
MUTATION_SECONDS = Histogram(
    "katha_mutation_seconds",
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

# --- Counted where a query or a request ends --------------------------------------------------------------------

OK = "OK"
"""The code of a query without errors."""
QUERIES = Counter(
    "katha_queries", "Queries that were executed, by the worst code in the answer.", ["code"], registry=REGISTRY
)
REJECTED = Counter(
    "katha_rejected_requests",
    "Requests that were refused before they were executed, by code.",
    ["code"],
    registry=REGISTRY,
)
for _code in (OK, "BUSY", "INTERNAL_SERVER_ERROR"):
    QUERIES.labels(_code)
GOOD_QUERIES: Final = QUERIES.labels(OK)
for _code in ("BUSY", "RATE_LIMITED"):
    REJECTED.labels(_code)

LIMITED = Counter(
    "katha_rate_limited", "What was refused because there was too much of it, by limit.", ["limit"], registry=REGISTRY
)

LINES_DROPPED = Counter(
    "katha_log_lines_dropped", "Lines of the log that were not written, because it took no more.", registry=REGISTRY
)
DROPPED.append(LINES_DROPPED.inc)
FAULTS = Counter("katha_faults", "Errors that Katha did not expect; each is in the log.", registry=REGISTRY)

# --- Counted in each transaction --------------------------------------------------------------------------------

QUERY = "query"
"""The operation of a query's transaction."""

TRANSACTION_SECONDS = Histogram(
    "katha_transaction_seconds",
    "How long transactions took, each attempt from its BEGIN to its COMMIT or ROLLBACK.",
    ["operation"],
    buckets=SECONDS,
    registry=REGISTRY,
)
QUERY_SECONDS: Final = TRANSACTION_SECONDS.labels(QUERY)
CONNECTION_ERRORS = Counter(
    "katha_connection_errors", "Connections to the database that failed, by cause.", ["cause"], registry=REGISTRY
)
for _cause in CONNECTION_CAUSES:
    CONNECTION_ERRORS.labels(_cause)

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
JOB_SECONDS = Histogram(
    "katha_job_seconds",
    "How long runs of background jobs took.",
    ["task"],
    buckets=(*SECONDS, 30.0, 60.0, 300.0, 1800.0),
    registry=REGISTRY,
)

CAUSES = {"40P01": ("deadlock", DEADLOCKS), "40001": ("serialization_failure", SERIALIZATION_FAILURES)}
LOCK_TIMEOUT = "55P03"


_OPERATION: ContextVar[str] = ContextVar("operation", default="other")


def operation(name: str) -> Scoped[str]:
    """Count what happens inside for this operation: a mutation, a job, or what the server does for itself."""
    return Scoped(_OPERATION, name)


def aborted(sqlstate: str | None, *, runs_again: bool) -> None:
    """Count a transaction that PostgreSQL aborted, and whether it is retried."""
    name = _OPERATION.get()
    if sqlstate == LOCK_TIMEOUT:
        LOCK_TIMEOUTS.labels(name).inc()
    if sqlstate in CAUSES:
        cause, counter = CAUSES[sqlstate]
        counter.labels(name).inc()
        if runs_again:
            RERUNS.labels(name, cause).inc()


def transaction_took(seconds: float, operation: str | None = None) -> None:
    """Count the duration of one attempt, whatever became of it: for this operation, or for the present one."""
    _transaction_seconds(operation or _OPERATION.get()).observe(seconds)


@cache
def _transaction_seconds(operation: str) -> Histogram:
    return TRANSACTION_SECONDS.labels(operation)


def job_ended(task: str, outcome: str) -> None:
    """Count one run of a background job by its task's name and its outcome."""
    JOBS.labels(task, outcome).inc()


class Ended:
    """The metrics of one operation, looked up once because every mutation uses them."""

    def __init__(self, name: str) -> None:
        self._outcomes = {outcome: TRANSACTIONS.labels(name, outcome) for outcome in OUTCOMES}
        self._seconds = MUTATION_SECONDS.labels(name)
        TRANSACTION_SECONDS.labels(name)
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
    """The metrics of the operation with this name. Created at startup, so that they are exported as 0 from the beginning."""
    return Ended(name)
