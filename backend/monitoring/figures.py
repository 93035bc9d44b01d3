"""The metrics of `/metrics` as typed objects, for the GraphQL field `health`."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client import Metric

from backend import VERSION
from backend.engine.conflicts import ConflictCount, most_frequent
from backend.monitoring import database, exposition, folder, process
from backend.monitoring.database import DatabaseFigures


@dataclass(frozen=True)
class Count:
    """A kind of event and its count."""

    kind: str
    count: float


@dataclass(frozen=True)
class Operation:
    """The outcomes of one mutation, or of one job's transactions."""

    name: str
    committed: float
    refused: float
    rolled_back: float
    unknown: float
    replays: float
    unconditioned: float
    mean_seconds: float
    deadlocks: float
    serialization_failures: float
    lock_timeouts: float
    refusals: Sequence[Count]
    conflicts: Sequence[Count]
    reruns: Sequence[Count]


@dataclass(frozen=True)
class Runs:
    """The outcomes of one background job."""

    task: str
    outcomes: Sequence[Count]


@dataclass(frozen=True)
class Figures:
    """The metrics of all processes of this server and of its database at one moment."""

    version: str
    started_at: datetime
    operations: Sequence[Operation]
    runs: Sequence[Runs]
    requests: Sequence[Count]
    faults: float
    threads_busy: float
    threads: float
    database: DatabaseFigures
    hot: Sequence[ConflictCount]


FIRST_LABELS = ("operation", "task")
"""Labels that come first in a metric; there is at most one other."""


class _Samples:
    """Metric values by name and labels."""

    def __init__(self, families: Iterator[Metric]) -> None:
        self._values: dict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
        for family in families:
            for sample in family.samples:
                labels = sorted(sample.labels.items(), key=lambda label: label[0] not in FIRST_LABELS)
                self._values[sample.name][tuple(value for _, value in labels)] = sample.value

    def of(self, name: str, *labels: str) -> float:
        """One value; 0 if there is none."""
        return self._values[name].get(labels, 0)

    def by_kind(self, name: str, *labels: str) -> list[Count]:
        """The non-zero values of all series that begin with these labels, by the next label."""
        found = (item for item in self._values[name].items() if item[0][:-1] == labels and item[1])
        return [Count(key[-1], value) for key, value in sorted(found)]

    def first_labels(self, *names: str) -> list[str]:
        """The first label of each non-zero series of these metrics."""
        return sorted({key[0] for name in names for key, value in self._values[name].items() if value})


ABORTS = ("katha_deadlocks_total", "katha_serialization_failures_total", "katha_lock_timeouts_total")


def read() -> Figures:
    """The present metrics, without operations that have counted nothing."""
    samples = _Samples(exposition.counted())
    shared = folder.folder()
    names = samples.first_labels("katha_transactions_total", *ABORTS)
    return Figures(
        version=VERSION,
        started_at=datetime.fromtimestamp(process.started_at(), UTC),
        operations=[_operation(name, samples) for name in names],
        runs=[
            Runs(task, samples.by_kind("katha_jobs_total", task)) for task in samples.first_labels("katha_jobs_total")
        ],
        requests=samples.by_kind("katha_http_requests_total"),
        faults=samples.of("katha_faults_total"),
        threads_busy=samples.of("katha_threads_busy"),
        threads=samples.of("katha_threads"),
        database=database.read(),
        hot=most_frequent([] if shared is None else [shared]),
    )


def _operation(name: str, samples: _Samples) -> Operation:
    ended = {one.kind: one.count for one in samples.by_kind("katha_transactions_total", name)}
    timed = samples.of("katha_mutation_seconds_count", name)
    deadlocks, serialization_failures, lock_timeouts = (samples.of(metric, name) for metric in ABORTS)
    return Operation(
        name=name,
        committed=ended.get("committed", 0),
        refused=ended.get("refused", 0),
        rolled_back=ended.get("rolled_back", 0),
        unknown=ended.get("unknown", 0),
        replays=samples.of("katha_replays_total", name),
        unconditioned=samples.of("katha_unconditioned_writes_total", name),
        mean_seconds=samples.of("katha_mutation_seconds_sum", name) / timed if timed else 0.0,
        deadlocks=deadlocks,
        serialization_failures=serialization_failures,
        lock_timeouts=lock_timeouts,
        refusals=samples.by_kind("katha_refusals_total", name),
        conflicts=samples.by_kind("katha_conflicts_total", name),
        reruns=samples.by_kind("katha_reruns_total", name),
    )
