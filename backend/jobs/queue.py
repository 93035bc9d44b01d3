"""Deferring a job: a row that is written by the transaction which wants it done, and is there exactly if that commits."""

import random
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone
from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from procrastinate.manager import JobManager
from procrastinate.tasks import configure_task

from backend.engine.versions import require_transaction

MAX_ATTEMPTS = 10
"""So often a job is tried; then it is a dead letter, and waits for a moderator in the admin."""
FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 300.0

_manager = JobManager(DjangoConnector())
"""Always over Django's connection, in a worker too: a job that is deferred by a job belongs to that one's transaction."""


def defer(task: str, key: str, **arguments: Any) -> None:
    """Have the task done once this transaction has committed: one statement.

    `key` must be unique by how it is made, such as a thing and its version. The queue refuses a second job with the key
    while one waits, which would break the transaction off: so a key is never one that two transactions could choose.
    """
    require_transaction()
    deferrer = configure_task(name=task, job_manager=_manager, queueing_lock=key)
    try:
        deferrer.defer(**arguments)
    except ConnectorException as error:
        if error.__cause__ is None:
            raise
        # As Django's own error: the unit of work tells by it whether to run again, and what to answer.
        with connection.wrap_database_errors:
            raise error.__cause__ from None


class Backoff(BaseRetryStrategy):
    """Try again later and later, each time at a moment of chance, so that jobs which failed together do not meet again."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:  # noqa: ARG002
        """When to try again; None when that has been done often enough."""
        if is_last(job):
            return None
        return RetryDecision(retry_at=timezone.now() + timedelta(seconds=pause(job.attempts)))


def is_last(job: Job) -> bool:
    """Whether the job is not tried again after the attempt that it is in."""
    return job.attempts + 1 >= MAX_ATTEMPTS


def pause(attempts: int) -> float:
    """Seconds to wait after so many earlier attempts: half of the exponential pause for sure, the other half by chance."""
    most = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**attempts)
    return random.uniform(most / 2, most)
