"""The worker: takes jobs from the queue until it is told to stop, whatever happens to the database meanwhile.

It may be killed at any point. Its jobs are then found by its heartbeat that stopped, and done again by whoever works.
"""

import asyncio
import logging
import os
import random
import signal
import threading
import time
from contextlib import suppress

from django.utils import timezone
from procrastinate.contrib.django import app, connector_params
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.psycopg_connector import PsycopgConnector

from backend.jobs.outcomes import ATTEMPTS_ENDED, JobOutcome, ended, watched
from backend.jobs.queue import is_last

log = logging.getLogger("katha.jobs")

POLL_SECONDS = 5.0
"""A new job is announced by NOTIFY; this finds what is to be tried again, and everything where a pooler swallows NOTIFY."""
HEARTBEAT_SECONDS = 2.0
STALLED_SECONDS = 10.0
"""A worker that has been silent for five heartbeats counts as dead. Should it only have been slow, its job is done twice at
once, which has one effect: so the jobs of the dead need not wait long."""
LOOK_FOR_STALLED_SECONDS = 5.0
PATIENCE_SECONDS = 5.0
"""How long jobs may take to end when the worker is told to stop. One that is cut short is done again."""
CONNECTIONS = 4
"""For the queue alone; each job has its thread's own."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 10.0
"""Between attempts to work while the database cannot be had."""


def work(concurrency: int) -> None:
    """Do jobs, so many at a time, until SIGINT or SIGTERM."""
    connector = PsycopgConnector(kwargs=connector_params(), min_size=1, max_size=CONNECTIONS, timeout=PATIENCE_SECONDS)
    with app.replace_connector(connector):
        asyncio.run(_work(concurrency))


async def _work(concurrency: int) -> None:
    stop = _told_to_stop()
    pause = FIRST_PAUSE_SECONDS
    while not stop.is_set():
        began = time.monotonic()
        try:
            async with app.open_async():
                await _until_stopped(stop, concurrency)
        except ConnectorException as error:
            log.warning("the worker has lost the database, and tries again: %s", type(error.__cause__).__name__)
        if time.monotonic() - began > LONGEST_PAUSE_SECONDS:
            pause = FIRST_PAUSE_SECONDS  # it had worked
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), random.uniform(pause / 2, pause))
        pause = min(LONGEST_PAUSE_SECONDS, pause * 2)


def _told_to_stop() -> asyncio.Event:
    """Set by SIGINT and SIGTERM. From then on the process has a bounded time to end, whatever its threads do."""
    stop = asyncio.Event()

    def tell() -> None:
        if not stop.is_set():
            stop.set()
            cut = threading.Timer(PATIENCE_SECONDS + 1, os._exit, [1])
            cut.daemon = True
            cut.start()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, tell)
    return stop


async def _until_stopped(stop: asyncio.Event, concurrency: int) -> None:
    """Work and give back the jobs of the dead. Returns when told to stop; raises what broke the work off."""
    working = asyncio.create_task(
        app.run_worker_async(
            concurrency=concurrency,
            install_signal_handlers=False,
            fetch_job_polling_interval=POLL_SECONDS,
            update_heartbeat_interval=HEARTBEAT_SECONDS,
            stalled_worker_timeout=STALLED_SECONDS,
            shutdown_graceful_timeout=PATIENCE_SECONDS,
            task_middleware=[*app.worker_defaults.get("task_middleware", []), watched],
        )
    )
    giving_back = asyncio.create_task(_give_back_stalled())
    stopping = asyncio.create_task(stop.wait())
    everything = (working, giving_back, stopping)
    try:
        await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in everything:
            task.cancel()
        results = await asyncio.gather(*everything, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _give_back_stalled() -> None:
    """At once and then again and again: let somebody else do the jobs of workers that have died."""
    while True:
        stalled = await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS)
        for job in [*stalled, *await left_over()]:
            with suppress(
                ConnectorException
            ):  # another worker was quicker; or the database has gone, as the others notice
                await _give_back(job)
        await asyncio.sleep(LOOK_FOR_STALLED_SECONDS)


async def left_over() -> list[Job]:
    """Jobs whose attempt in this process ended some time ago, and whose rows still say that they are being done.

    So it is where the database went away just when the end was to be written down: nobody would look at them again.
    """
    long_ago = time.monotonic() - STALLED_SECONDS
    over = {job: attempt for job, (attempt, at) in list(ATTEMPTS_ENDED.items()) if at < long_ago}
    if not over:
        return []
    doing = await app.job_manager.list_jobs_async(status=Status.DOING.value)
    for job in over:
        ATTEMPTS_ENDED.pop(job, None)
    return [job for job in doing if job.id is not None and over.get(job.id) == job.attempts]


async def _give_back(job: Job) -> None:
    """Have it tried again, unless it has been tried so often that it may be what kills its workers."""
    if is_last(job):
        await app.job_manager.finish_job(job, Status.FAILED, delete_job=False)
    else:
        await app.job_manager.retry_job(job, retry_at=timezone.now())
    outcome = JobOutcome.FAILED if is_last(job) else JobOutcome.RETRIED
    await asyncio.to_thread(ended, job, outcome, 0.0, WorkerLost())


class WorkerLost(Exception):
    """The worker that did the job has died, or has not been heard of for too long."""
