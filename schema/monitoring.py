"""Health in GraphQL: the metrics of `/metrics` with types, for moderators."""

import uuid
from datetime import UTC, datetime

import strawberry

from resolvers import monitoring
from schema.answers import MAX_OVERLAPS
from schema.context import Info
from schema.nodes import at_most, computed, to_id

MAX_HOT = 20
MAX_OPERATIONS = 100
"""More mutations, and more tasks, than there are."""
MAX_KINDS = 20
"""More codes, types, statuses and tables than there are, each."""

# Counts are floats, because they can exceed GraphQL's Int.


@strawberry.type(description="How often something of one kind happened since the server started.")
class Count:
    """A kind and its count."""

    kind: str = strawberry.field(description="What is counted.")
    count: float = strawberry.field(description="How often; a whole number.")


@strawberry.type(
    description="What became of a mutation since the server started. Each that is asked for ends in exactly one of committed, "
    "refused, rolledBack and unknown. Of a background job only what broke its transactions off is counted here."
)
class OperationHealth:
    """One mutation."""

    name: str = strawberry.field(description="The mutation's field, or the job's task.")
    committed: float = strawberry.field(description="Answered with success, replays and NOOP among them.")
    refused: float = strawberry.field(description="Answered with a refusal but BUSY and OUTCOME_UNKNOWN.")
    rolled_back: float = strawberry.field(description="Answered BUSY, or with a fault of the server's.")
    unknown: float = strawberry.field(description="Answered OUTCOME_UNKNOWN.")
    replays: float = strawberry.field(description="Of those committed: the first reply to a key, again.")
    unconditioned: float = strawberry.field(description="Of those committed: written with expect: {current: true}.")
    mean_seconds: float = strawberry.field(description="How long one took on average, in seconds.")
    deadlocks: float = strawberry.field(description="Transactions that PostgreSQL ended because of a deadlock.")
    serialization_failures: float = strawberry.field(description="Transactions that could not be serialized.")
    lock_timeouts: float = strawberry.field(description="Transactions that waited too long for a lock.")
    refusals: list[Count] = strawberry.field(
        description="What was refused or rolled back, by code.", metadata=at_most(MAX_KINDS)
    )
    conflicts: list[Count] = strawberry.field(
        description="Conflicts by the type of what was fought over.", metadata=at_most(MAX_KINDS)
    )
    reruns: list[Count] = strawberry.field(
        description="Transactions run again, by cause: deadlock or serialization_failure.", metadata=at_most(MAX_KINDS)
    )


@strawberry.type(description="How the attempts at a background job ended since the server started.")
class JobRuns:
    """One task."""

    task: str = strawberry.field(description="The task's name.")
    outcomes: list[Count] = strawberry.field(
        description="Attempts by outcome: succeeded, retried or failed.", metadata=at_most(MAX_KINDS)
    )


@strawberry.type(description="Background jobs.")
class JobsHealth:
    """The job queue and its outcomes."""

    by_status: list[Count] = computed(
        lambda seen: [Count(kind=kind, count=count) for kind, count in seen.database.jobs.items()],
        "Jobs in the queue now, by status: todo, doing, failed and others.",
        most=MAX_KINDS,
    )
    oldest_seconds: float = computed(
        lambda seen: seen.database.oldest_job_seconds,
        "For how many seconds the oldest job that is due has been waiting; 0 if none is.",
    )
    runs: list[JobRuns] = strawberry.field(
        description="Attempts since the server started, by task.", metadata=at_most(MAX_OPERATIONS)
    )


@strawberry.type(description="The database now.")
class DatabaseHealth:
    """Metrics of the database."""

    connections: int = strawberry.field(description="Sessions in this database.")
    connections_limit: int = strawberry.field(description="How many sessions PostgreSQL takes in all.")
    lock_waits: int = strawberry.field(description="Sessions that wait for a lock.")
    longest_lock_wait_seconds: float = strawberry.field(description="How long the first of them has waited.")
    deadlocks: float = strawberry.field(description="Deadlocks, by PostgreSQL's own count.")
    tally_slots: list[Count] = computed(
        lambda seen: [Count(kind=table, count=rows) for table, rows in seen.tally_slots.items()],
        "Rows of totals by table; an estimate.",
        most=MAX_KINDS,
    )


@strawberry.type(description="A thing that was fought over: how often, in which fields, and when last.")
class HotThing:
    """A row and its conflicts."""

    type: str = computed(lambda hot: hot.type.title(), "The thing's type.")
    thing: strawberry.ID = computed(
        lambda hot: to_id(hot.type.title(), *map(uuid.UUID, hot.keys)),
        "The thing's id. Of a Relationship or a Reading: that of the person who lost.",
    )
    fields: list[str] = strawberry.field(
        description="The fields that both wrote. None where others had changed only what the loser left alone.",
        metadata=at_most(MAX_OVERLAPS),
    )
    conflicts: float = strawberry.field(
        description="How many conflicts, at most: where very many things are fought over, rare ones may show too high a count."
    )
    last_at: datetime = computed(lambda hot: datetime.fromtimestamp(hot.last_at, UTC), "When the last one was.")


@strawberry.type(
    description="The server's processes and its database now: what /metrics says. Counts begin when the server starts."
)
class Health:
    """All metrics."""

    version: str = strawberry.field(description="Katha's version.")
    started_at: datetime = strawberry.field(description="When the server started.")
    operations: list[OperationHealth] = strawberry.field(
        description="Mutations that were asked for, and jobs whose transactions were broken off, by name.",
        metadata=at_most(MAX_OPERATIONS),
    )
    jobs: JobsHealth = computed(lambda seen: seen, "Background jobs.")
    requests: list[Count] = strawberry.field(
        description="HTTP requests by class of status, such as 2xx.", metadata=at_most(MAX_KINDS)
    )
    faults: float = strawberry.field(description="Errors that Katha did not expect; each is in the log.")
    threads_busy: float = strawberry.field(
        description="Threads and fibers that answer a request now; this one among them."
    )
    threads: float = strawberry.field(description="Threads and fibers that can answer requests at once; 0 if unknown.")
    database: DatabaseHealth = strawberry.field(description="The database.")
    hottest: list[HotThing] = computed(
        lambda seen: seen.hot[:MAX_HOT],
        f"What was fought over most, the most contended first; at most {MAX_HOT}.",
        most=MAX_HOT,
    )


@strawberry.type
class MonitoringQuery:
    """Queries for metrics."""

    @strawberry.field(description="How the server is. Moderators only.")
    def health(self, info: Info) -> Health | None:
        """The present metrics."""
        return monitoring.health(viewer=info.context.viewer)  # type: ignore[return-value]
