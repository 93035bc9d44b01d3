"""Defers jobs: the job's row is inserted by the caller's transaction, so it exists exactly if that commits."""

import random
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone
from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from procrastinate.tasks import configure_task

from backend.engine.pipeline import current
from backend.engine.statements import require_unit_of_work

MAX_ATTEMPTS = 10
"""After so many failed attempts a job is a dead letter, which staff see in the admin."""
FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 300.0

_manager = JobManager(DjangoConnector())
"""Uses Django's connection, in a worker too, so that a job deferred by a job is part of that job's transaction."""


def defer(task: str, key: str, **arguments: Any) -> None:
    """Run the task after this transaction has committed. Costs one statement.

    `key` must be unique by construction, such as a row's id and version: the queue refuses a second job with the same
    key while one waits, which would abort the transaction.
    """
    require_unit_of_work(current())
    deferrer = configure_task(name=task, job_manager=_manager, queueing_lock=key)
    try:
        deferrer.defer(**arguments)
    except ConnectorException as error:
        if error.__cause__ is None:
            raise
        # As Django's errors, which the unit of work knows how to retry and to answer.
        with connection.wrap_database_errors:
            raise error.__cause__ from None


class Backoff(BaseRetryStrategy):
    """Exponential backoff with jitter, so that jobs which failed together are not retried together."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:  # noqa: ARG002
        """When to retry; None after `MAX_ATTEMPTS`."""
        if is_last(job):
            return None
        return RetryDecision(retry_at=timezone.now() + timedelta(seconds=pause(job.attempts)))


def is_last(job: Job) -> bool:
    """Whether the job's present attempt is its last."""
    return job.attempts + 1 >= MAX_ATTEMPTS


def pause(attempts: int) -> float:
    """Seconds to wait after so many attempts: exponential, half of it fixed and half random."""
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**attempts)
    return random.uniform(longest / 2, longest)


# The row is locked and looked at again once it is free: of several who give the same attempt back, one finds it.
AT_THIS_ATTEMPT = (
    "FROM (SELECT id FROM procrastinate_jobs WHERE id = %s AND attempts = %s AND status = %s FOR UPDATE) AS job"
)
RUN_AGAIN = f"SELECT procrastinate_retry_job_v2(id, now(), NULL, NULL, NULL) {AT_THIS_ATTEMPT}"
GIVE_UP = f"SELECT procrastinate_finish_job_v1(id, 'failed', false) {AT_THIS_ATTEMPT}"


def run_again(job: int, attempts: int, status: Status) -> bool:
    """Let the job be fetched again at once; its attempt counts. False if it is no longer at this attempt and status."""
    return _is_changed(RUN_AGAIN, job, attempts, status)


def give_up(job: int, attempts: int) -> bool:
    """Make a job that is being done a dead letter. False if it is no longer at this attempt."""
    return _is_changed(GIVE_UP, job, attempts, Status.DOING)


def _is_changed(statement: str, job: int, attempts: int, status: Status) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, [job, attempts, status.value])
        return bool(cursor.rowcount)
