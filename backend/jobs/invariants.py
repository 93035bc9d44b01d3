"""Invariants of jobs, for `manage.py verify`."""

from backend.engine.checks import Check

LONG = "interval '5 minutes'"
"""Much longer than it takes to detect a dead worker."""

INVARIANTS = (
    Check(
        "jobs_have_a_worker",
        "no job is being done for long by a worker that has died",
        "(SELECT FROM procrastinate_jobs WHERE status = 'doing')",
        f"""
        SELECT job.id, job.task_name, job.attempts, max(event.at) AS started_at, worker.last_heartbeat
        FROM procrastinate_jobs AS job
        LEFT JOIN procrastinate_workers AS worker ON worker.id = job.worker_id
        LEFT JOIN procrastinate_events AS event ON event.job_id = job.id AND event.type = 'started'
        WHERE job.status = 'doing' AND coalesce(worker.last_heartbeat < now() - {LONG}, true)
        GROUP BY job.id, worker.last_heartbeat HAVING coalesce(max(event.at) < now() - {LONG}, true)
        """,
    ),
    Check(
        "one_job_per_key",
        "no two jobs were deferred for the same reason",
        "(SELECT FROM procrastinate_jobs WHERE queueing_lock IS NOT NULL)",
        """
        SELECT queueing_lock AS key, count(*) AS jobs FROM procrastinate_jobs WHERE queueing_lock IS NOT NULL
        GROUP BY queueing_lock HAVING count(*) > 1
        """,
    ),
)
