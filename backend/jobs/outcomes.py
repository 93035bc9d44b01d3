"""Handles the end of each attempt at a job: success, retry, or dead letter."""

import enum
import logging
import time
import traceback
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, InterfaceError
from procrastinate.job_context import JobContext
from procrastinate.jobs import Job, Status
from procrastinate.worker import Worker

from backend import logs
from backend.engine import pipeline
from backend.engine.errors import Refusal
from backend.engine.metrics import JOB_SECONDS, job_ended, operation
from backend.engine.refusal_log import cause_of
from backend.engine.threads import contained
from backend.engine.transactions import unit_of_work
from backend.jobs.models import ERROR_CHARACTERS, Failure
from backend.jobs.queue import give_up, is_last, run_again

log = logging.getLogger("katha.jobs")


class JobOutcome(enum.Enum):
    """How an attempt ended."""

    SUCCEEDED = "succeeded"
    RETRIED = "retried"
    FAILED = "failed"
    """The last attempt failed: the job is a dead letter."""


def after_failure(job: Job) -> JobOutcome:
    """How a failed attempt ends: with a retry, or as a dead letter."""
    return JobOutcome.FAILED if is_last(job) else JobOutcome.RETRIED


ATTEMPTS_ENDED: dict[int, tuple[int, float]] = {}
"""By job id: the last attempt that ended in this process, and when. The job's row should show it soon after."""


def watched(attempt: Callable[[], Any], context: JobContext, _worker: Worker) -> Any:
    """Run an attempt at a job and record its outcome. Procrastinate calls it around every task, in the task's thread."""
    pipeline.current().drop_broken_connection()
    started = time.monotonic()
    try:
        logs.begin(task=context.job.task_name, job=context.job.id)
        with operation(context.job.task_name):
            result = contained(attempt)
    except Exception as error:
        ended(context.job, after_failure(context.job), time.monotonic() - started, error)
        raise
    finally:
        JOB_SECONDS.labels(context.job.task_name).observe(time.monotonic() - started)
        if context.job.id is not None:
            ATTEMPTS_ENDED[context.job.id] = (context.job.attempts, time.monotonic())
    ended(context.job, JobOutcome.SUCCEEDED, time.monotonic() - started)
    return result


def ended(job: Job, outcome: JobOutcome, seconds: float, error: BaseException | None = None) -> None:
    """Record the outcome of an attempt. The exception is logged; a version without user data is stored for the admin."""
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
        exc_info=None if isinstance(error, Refusal) else error,
        extra={"task": job.task_name, "job": job.id, **_refused(error)},
    )
    if error is not None and job.id is not None:
        _keep(job.id, _said(error))


def _refused(error: BaseException | None) -> dict[str, str]:
    """Of a refusal the code and the cause: it is no fault, so nobody needs its stack."""
    return {"code": error.code, **cause_of(error)} if isinstance(error, Refusal) else {}


def give_back(job: Job) -> bool:
    """Requeue a job whose worker has died, unless it has used up its attempts: it may be what kills the workers.

    False if it is no longer at this attempt: another worker has given it back, or it has ended after all.
    """
    if job.id is None:
        return False
    pk, attempts, outcome = job.id, job.attempts, after_failure(job)
    if outcome is JobOutcome.FAILED:
        given = unit_of_work(lambda: give_up(pk, attempts))
    else:
        given = unit_of_work(lambda: run_again(pk, attempts, Status.DOING))
    if given:
        ended(job, outcome, 0.0, WorkerLost())
    return given


class WorkerLost(Exception):
    """The worker of the job has died, or its heartbeat has stopped."""


def _keep(job_id: int, said: str) -> None:
    def work() -> None:
        Failure.objects.filter(pk=job_id).delete()
        Failure.objects.bulk_create([Failure(job_id=job_id, error=said)], ignore_conflicts=True)

    try:
        unit_of_work(work)
    except Refusal as refusal:  # must not replace the job's own error
        log.warning("the failure of job %s could not be kept", job_id, extra=_refused(refusal))
    except (DatabaseError, InterfaceError) as error:
        log.error("the failure of job %s could not be kept", job_id, exc_info=error)


def _said(error: BaseException) -> str:
    """The type of the error, of its cause, and where it was raised."""
    kinds = [type(one).__name__ for one in (error, error.__cause__) if one is not None]
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
    return f"{' from '.join(kinds)}{where}"[:ERROR_CHARACTERS]
