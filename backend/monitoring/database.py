"""Metrics that are queried from the database at each scrape: sessions, lock waits, jobs, tallies."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection

from backend.engine.tallies import Tally

JOB_STATUSES = ("todo", "doing", "failed")
"""Statuses that are always exported, also with 0 jobs."""


@dataclass(frozen=True)
class DatabaseFigures:
    """Metrics of the database at one moment."""

    connections: int
    connections_limit: int
    lock_waits: int
    longest_lock_wait_seconds: float
    deadlocks: int
    jobs: Mapping[str, int]
    oldest_job_seconds: float
    tally_slots: Mapping[str, int]


SESSIONS = """
SELECT count(*), current_setting('max_connections')::int,
    count(*) FILTER (WHERE wait_event_type = 'Lock'),
    coalesce((
        SELECT extract(epoch FROM max(clock_timestamp() - waitstart))
        FROM pg_locks JOIN pg_stat_activity AS waiting USING (pid)
        WHERE NOT granted AND waiting.datname = current_database()
    ), 0)::float,
    (SELECT deadlocks FROM pg_stat_database WHERE datname = current_database())
FROM pg_stat_activity WHERE datname = current_database()
"""
JOBS = "SELECT status::text, count(*) FROM procrastinate_jobs GROUP BY status"
# A job has a due time only if it was deferred for later; the time of deferral is in its events. Jobs that are due at
# once run in the order of their ids, so the first is the oldest.
OLDEST_JOB = """
SELECT greatest(0, extract(epoch FROM clock_timestamp() - min(due)))::float FROM (
    SELECT min(scheduled_at) AS due FROM procrastinate_jobs WHERE status = 'todo' AND scheduled_at <= now()
    UNION ALL
    SELECT min(at) FROM procrastinate_events WHERE type = 'deferred' AND job_id = (
        SELECT min(id) FROM procrastinate_jobs WHERE status = 'todo' AND scheduled_at IS NULL
    )
) AS first
"""
TALLIES = "SELECT relname::text, n_live_tup FROM pg_stat_user_tables WHERE relname = ANY(%s) ORDER BY relname"


def read() -> DatabaseFigures:
    """Query the metrics. Cheap: the sizes of tallies are PostgreSQL's own estimates."""
    connections, limit, waits, longest, deadlocks = _row(SESSIONS)
    jobs: dict[str, int] = dict.fromkeys(JOB_STATUSES, 0)
    jobs.update(_rows(JOBS))
    tables = [model._meta.db_table for model in Tally.__subclasses__()]
    return DatabaseFigures(
        connections=connections,
        connections_limit=limit,
        lock_waits=waits,
        longest_lock_wait_seconds=longest,
        deadlocks=deadlocks,
        jobs=jobs,
        oldest_job_seconds=_row(OLDEST_JOB)[0] or 0.0,
        tally_slots=dict(_rows(TALLIES, [tables])),
    )


def _rows(sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


def _row(sql: str) -> tuple[Any, ...]:
    return _rows(sql)[0]
