"""The worker: runs jobs until it is told to stop, and waits for the database when that is away, however long.

It may be killed at any point. Other workers then see that its heartbeat has stopped, and run its jobs again.
"""

import asyncio
import logging
import os
import random
import signal
import threading
import time
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import psycopg
from django.db import DatabaseError, InterfaceError
from procrastinate.contrib.django import app, connector_params
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.psycopg_connector import PsycopgConnector

from backend.engine.errors import Refusal
from backend.engine.threads import in_thread
from backend.jobs.outcomes import ATTEMPTS_ENDED, give_back, watched
from backend.logs.causes import database_facts

log = logging.getLogger("katha.jobs")

ResultT = TypeVar("ResultT")

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
ANSWER_SECONDS = 10.0
"""How long the database may take to answer whether it can be used."""
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
    lost = False
    while await _reached(stop, lost=lost):
        began, lost = time.monotonic(), True
        try:
            await app.open_async()
            await _until_stopped(stop, concurrency)
        except (ConnectorException, psycopg.Error):  # why is found out next, by another connection
            pass
        finally:
            await app.close_async()
        if time.monotonic() - began > LONGEST_PAUSE_SECONDS:
            pause = FIRST_PAUSE_SECONDS  # the connection had worked
        await _unless(stop, asyncio.sleep(random.uniform(pause / 2, pause)))
        pause = min(LONGEST_PAUSE_SECONDS, pause * 2)


async def _reached(stop: asyncio.Event, *, lost: bool) -> bool:
    """Wait until the database can be used; False if the worker is told to stop.

    However long that takes, it says once that the database is away and once that it is back; of connections that are `lost`
    while the database is there it says so too.
    """
    pause, away = FIRST_PAUSE_SECONDS, False
    while not stop.is_set():
        error = await _unless(stop, _attempt())
        if stop.is_set():
            break
        if error is None:
            if away:
                log.warning("the database is back, and the worker goes on")
            elif lost:
                log.warning("the worker has lost its connections, and connects again")
            return True
        if not away:
            log.error("the worker waits for the database", extra=database_facts(error))
        away = True
        await _unless(stop, asyncio.sleep(random.uniform(pause / 2, pause)))
        pause = min(LONGEST_PAUSE_SECONDS, pause * 2)
    return False


async def _attempt() -> psycopg.Error | None:
    """Why the queue cannot be used, or None."""
    try:
        async with (
            asyncio.timeout(ANSWER_SECONDS),
            await psycopg.AsyncConnection.connect(**connector_params()) as connection,
        ):
            await connection.execute("SELECT FROM procrastinate_jobs LIMIT 0")
    except psycopg.Error as error:
        return error
    except TimeoutError:
        return psycopg.OperationalError("it does not answer")
    return None


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, ResultT]) -> ResultT | None:
    """What the work returns; None if the worker is told to stop first."""
    doing, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait((doing, stopping), return_when=asyncio.FIRST_COMPLETED)
    for one in (doing, stopping):
        one.cancel()
    await asyncio.gather(doing, stopping, return_exceptions=True)
    return None if doing.cancelled() else doing.result()


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
            with suppress(DatabaseError, InterfaceError, Refusal):  # it is still stalled when the database is back
                await in_thread(None, partial(give_back, job))
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
