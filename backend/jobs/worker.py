"""The worker: runs jobs until it is told to stop, and reconnects when the database fails.

It may be killed at any point. Other workers then see that its heartbeat has stopped, and run its jobs again.
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

from backend.jobs.outcomes import ATTEMPTS_ENDED, JobOutcome, after_failure, ended, watched

log = logging.getLogger("katha.jobs")

POLL_SECONDS = 5.0
"""New jobs are announced by NOTIFY. Polling finds retries, and all jobs if a connection pooler drops NOTIFY."""
HEARTBEAT_SECONDS = 2.0
STALLED_SECONDS = 10.0
"""A worker that has missed five heartbeats counts as dead. If it was only slow, its job runs twice at once; jobs are
idempotent, so this timeout can be short.
"""
LOOK_FOR_STALLED_SECONDS = 5.0
STOP_TIMEOUT_SECONDS = 5.0
"""How long running jobs may take after a stop signal. An interrupted job is run again."""
CONNECTIONS = 4
"""Connections for the queue; each job uses its own thread's connection."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 10.0
"""The wait between attempts to reconnect."""


def work(concurrency: int) -> None:
    """Run jobs, `concurrency` at a time, until SIGINT or SIGTERM."""
    connector = PsycopgConnector(
        kwargs=connector_params(), min_size=1, max_size=CONNECTIONS, timeout=STOP_TIMEOUT_SECONDS
    )
    with app.replace_connector(connector):
        asyncio.run(_work(concurrency))


async def _work(concurrency: int) -> None:
    stop = _stop_event()
    pause = FIRST_PAUSE_SECONDS
    while not stop.is_set():
        began = time.monotonic()
        try:
            async with app.open_async():
                await _until_stopped(stop, concurrency)
        except ConnectorException as error:
            log.warning("the worker has lost the database, and tries again: %s", type(error.__cause__).__name__)
        if time.monotonic() - began > LONGEST_PAUSE_SECONDS:
            pause = FIRST_PAUSE_SECONDS  # the connection had worked
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), random.uniform(pause / 2, pause))
        pause = min(LONGEST_PAUSE_SECONDS, pause * 2)


def _stop_event() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set. From then on the process exits within a bounded time, even if threads hang."""
    stop = asyncio.Event()

    def tell() -> None:
        if not stop.is_set():
            stop.set()
            cut = threading.Timer(STOP_TIMEOUT_SECONDS + 1, os._exit, [1])
            cut.daemon = True
            cut.start()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, tell)
    return stop


async def _until_stopped(stop: asyncio.Event, concurrency: int) -> None:
    """Run jobs, and requeue those of dead workers. Returns on a stop signal; raises what interrupted the work."""
    working = asyncio.create_task(
        app.run_worker_async(
            concurrency=concurrency,
            install_signal_handlers=False,
            fetch_job_polling_interval=POLL_SECONDS,
            update_heartbeat_interval=HEARTBEAT_SECONDS,
            stalled_worker_timeout=STALLED_SECONDS,
            shutdown_graceful_timeout=STOP_TIMEOUT_SECONDS,
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
    """Now and periodically: requeue the jobs of workers that have died."""
    while True:
        stalled = await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS)
        for job in [*stalled, *await unrecorded()]:
            with suppress(
                ConnectorException
            ):  # another worker was faster, or the database is unreachable, which the main loop handles
                await _give_back(job)
        await asyncio.sleep(LOOK_FOR_STALLED_SECONDS)


async def unrecorded() -> list[Job]:
    """Jobs whose attempt in this process has ended, but whose rows still have the status "doing".

    This happens when the database fails just as the end is to be stored; without this nobody would run them again.
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
    """Requeue the job, unless it has used up its attempts: it may be what kills the workers."""
    outcome = after_failure(job)
    if outcome is JobOutcome.FAILED:
        await app.job_manager.finish_job(job, Status.FAILED, delete_job=False)
    else:
        await app.job_manager.retry_job(job, retry_at=timezone.now())
    await asyncio.to_thread(ended, job, outcome, 0.0, WorkerLost())


class WorkerLost(Exception):
    """The worker of the job has died, or its heartbeat has stopped."""
