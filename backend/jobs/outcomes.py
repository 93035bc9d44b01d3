"""What becomes of each attempt at a job: the one place that knows, whatever the task."""

import enum
import logging
import time
import traceback
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, InterfaceError
from procrastinate.job_context import JobContext
from procrastinate.jobs import Job
from procrastinate.worker import Worker

from backend.engine.errors import Refusal
from backend.engine.metrics import job_ended, operation
from backend.engine.transactions import drop_broken_connection, unit_of_work
from backend.jobs.models import ERROR_CHARACTERS, Failure
from backend.jobs.queue import is_last

log = logging.getLogger("katha.jobs")


class JobOutcome(enum.Enum):
    """What became of an attempt."""

    SUCCEEDED = "succeeded"
    RETRIED = "retried"
    FAILED = "failed"
    """For the last time: the job is a dead letter."""


def after_failure(job: Job) -> JobOutcome:
    """What becomes of a job whose attempt has failed."""
    return JobOutcome.FAILED if is_last(job) else JobOutcome.RETRIED


ATTEMPTS_ENDED: dict[int, tuple[int, float]] = {}
"""Of jobs of this process, by id: which attempt has ended, and when. Their rows should say so soon."""


def watched(attempt: Callable[[], Any], context: JobContext, _worker: Worker) -> Any:
    """Make an attempt at a job, and note what became of it; procrastinate calls it around every task, in its thread."""
    drop_broken_connection()
    started = time.monotonic()
    try:
        with operation(context.job.task_name):
            result = attempt()
    except Exception as error:
        ended(context.job, after_failure(context.job), time.monotonic() - started, error)
        raise
    finally:
        if context.job.id is not None:
            ATTEMPTS_ENDED[context.job.id] = (context.job.attempts, time.monotonic())
    ended(context.job, JobOutcome.SUCCEEDED, time.monotonic() - started)
    return result


def ended(job: Job, outcome: JobOutcome, seconds: float, error: BaseException | None = None) -> None:
    """Note what became of an attempt at a job. The exception goes to the log, what may be shown of it to the admin."""
    job_ended(job.task_name, outcome.value)
    if outcome is JobOutcome.SUCCEEDED:
        return
    level = logging.ERROR if outcome is JobOutcome.FAILED else logging.WARNING
    log.log(
        level,
        "attempt %s of a job: %s after %.3f s",
        job.attempts + 1,
        outcome.value,
        seconds,
        exc_info=error,
        extra={"task": job.task_name, "job": job.id},
    )
    if error is not None and job.id is not None:
        _keep(job.id, _said(error))


def _keep(job_id: int, said: str) -> None:
    def work() -> None:
        Failure.objects.filter(pk=job_id).delete()
        Failure.objects.bulk_create([Failure(job_id=job_id, error=said)], ignore_conflicts=True)

    try:
        unit_of_work(work)
    except (DatabaseError, InterfaceError, Refusal):  # the error itself is in the log; nothing may hide it
        log.warning("the failure of job %s could not be kept", job_id, exc_info=True)


def _said(error: BaseException) -> str:
    """The kind of the error, of the one behind it, and where it was raised."""
    kinds = [type(one).__name__ for one in (error, error.__cause__) if one is not None]
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
    return f"{' from '.join(kinds)}{where}"[:ERROR_CHARACTERS]
