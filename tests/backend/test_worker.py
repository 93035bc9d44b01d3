"""The worker: it stops when it is told to, outlives the loss of its connections, and stands beside the server."""

import asyncio
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from django.db import connection
from procrastinate.jobs import Job
from psycopg.pq import TransactionStatus

from backend.jobs import worker, worker_process
from backend.jobs.queue import MAX_ATTEMPTS
from tests.races.rows import crowd, query, scalar
from tests.serving import PATIENCE_SECONDS, serving, until
from tests.working import all_done, jobs, make_followers, publish, start_worker, told, working

pytestmark = pytest.mark.django_db(transaction=True)

ON_LINUX = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes where Linux shows them")
OTHERS = "pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def execute(sql: str, *parameters: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def workers() -> int:
    """How many are registered."""
    return scalar("SELECT count(*) FROM procrastinate_workers")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_when_it_is_told_to(served_database: str, ending: signal.Signals) -> None:
    """Of its own accord, and leaves no trace of itself."""
    with working(served_database) as process:
        process.send_signal(ending)
        assert process.wait(PATIENCE_SECONDS) == 0
        assert workers() == 0


def test_it_does_what_waits_and_what_comes(served_database: str) -> None:
    """Jobs that were there before it, and jobs that come while it works."""
    author, *followers = crowd(4)
    make_followers(author, followers)
    waiting = publish(author, 2)
    with working(served_database):
        until(all_done, "what waited is done")
        assert told() == dict.fromkeys(waiting, 3)
        (other,) = publish(followers[0], 1)
        until(all_done, "what came is done")
    assert query("SELECT done FROM notifications_announcement WHERE story_id = %s", other) == [(True,)]


def test_it_outlives_its_connections(served_database: str) -> None:
    """PostgreSQL ends all of them, several times; each time the jobs that come are done."""
    author, *followers = crowd(4)
    make_followers(author, followers)
    with working(served_database) as process:
        for n in range(3):
            one = crowd(1, f"author{n}")[0]
            make_followers(one, followers)
            execute(f"SELECT pg_terminate_backend(pid) FROM {OTHERS}")
            publish(one, 2)
            until(all_done, "the jobs are done")
        assert process.poll() is None
    assert list(told().values()) == [3] * 6


WAITS, BACK = "the worker waits for the database", "the database is back"


@contextmanager
def away() -> Iterator[None]:
    """Nobody but this connection gets to the database, and whoever was there is thrown out."""
    allow(False)
    try:
        execute(f"SELECT pg_terminate_backend(pid) FROM {OTHERS}")
        yield
    finally:
        allow(True)


def allow(connections: bool) -> None:
    """Whether the tests' database lets anybody in. It is told from another database, as PostgreSQL demands."""
    name = connection.settings_dict["NAME"]
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {connections}')


def test_it_waits_for_a_database_that_is_away(served_database: str, tmp_path: Path) -> None:
    """From the start, and in the middle: it says so once each time, says once that it is back, and goes on with the jobs."""
    author, *followers = crowd(4)
    make_followers(author, followers)
    log = tmp_path / "log"
    with log.open("wb") as output:
        with away():
            process = start_worker(served_database, stderr=output)
            until(lambda: WAITS in log.read_text(), "it says that it waits")
            publish(author, 1)
        try:
            until(all_done, "what waited is done")
            with away():
                until(lambda: log.read_text().count(WAITS) == 2, "it says again that it waits")
                publish(author, 1)
            until(all_done, "what came meanwhile is done")
            until(lambda: log.read_text().count(BACK) == 2, "it has said again that it is back")  # not within 10 s
            assert process.poll() is None
        finally:
            process.kill()
            process.wait(PATIENCE_SECONDS)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    about = [line["event"] for line in lines if line["event"].startswith((BACK, "the worker"))]
    assert [event[: len(BACK)] for event in about] == [WAITS[: len(BACK)], BACK] * 2, about
    assert not [line for line in lines if line["logger"].startswith(("procrastinate", "psycopg"))]
    assert "there is no such database" in [line["cause"] for line in lines if line["event"] == WAITS]
    assert list(told().values()) == [3, 3]


def test_psycopg_adds_no_words_of_its_own(
    served_database: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection is ended while its query is being cancelled, as happens to the worker when PostgreSQL stops."""

    async def lose_it_meanwhile(lost: psycopg.AsyncConnection, *, timeout: float) -> None:
        execute("SELECT pg_terminate_backend(%s)", lost.info.backend_pid)

    async def cancel_a_query() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS), await psycopg.AsyncConnection.connect(served_database) as lost:
            query = asyncio.create_task(lost.execute("SELECT pg_sleep(60)"))
            while lost.info.transaction_status != TransactionStatus.ACTIVE:
                await asyncio.sleep(0)
            query.cancel()
            await asyncio.wait([query])
            assert lost.closed

    monkeypatch.setattr(psycopg.AsyncConnection, "_try_cancel", lose_it_meanwhile)
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    asyncio.run(cancel_a_query())
    assert not [record for record in caplog.records if record.name.startswith("psycopg")]


def test_it_stops_while_it_waits(served_database: str) -> None:
    """At once, as it does at any other time."""
    with away():
        process = start_worker(served_database, stderr=subprocess.PIPE)
        assert process.stderr
        assert WAITS in process.stderr.readline().decode()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0


@pytest.mark.parametrize(("attempts", "becomes"), [(0, "succeeded"), (MAX_ATTEMPTS - 1, "failed")])
def test_the_jobs_of_the_dead_are_taken_over(served_database: str, attempts: int, becomes: str) -> None:
    """Done again; but what may be killing its workers is a dead letter in the end."""
    publish(crowd(1)[0], 1)
    execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 minute')")
    execute(
        "UPDATE procrastinate_jobs SET status = 'doing', attempts = %s, worker_id = (SELECT id FROM procrastinate_workers)",
        attempts,
    )
    with working(served_database):
        until(all_done, "somebody has taken the job over")
        until(lambda: query("SELECT 1 FROM jobs_failure"), "it is written down why")
    assert (jobs(becomes), jobs("todo")) == (1, 0)
    assert query("SELECT error FROM jobs_failure") == [("WorkerLost",)]


def test_a_job_whose_end_could_not_be_written_down_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its attempt ended long ago, and its row still says that it is being done: by this attempt, and not by another."""
    now = time.monotonic()
    monkeypatch.setattr(worker, "ATTEMPTS_ENDED", {1: (0, now - 60), 2: (0, now - 60), 3: (0, now)})
    doing = [
        Job(id=n, queue="default", lock=None, queueing_lock=None, task_name="t", attempts=n - 1) for n in (1, 2, 3)
    ]

    async def list_jobs(*, status: str) -> list[Job]:
        return doing if status == "doing" else []

    monkeypatch.setattr(worker, "app", SimpleNamespace(job_manager=SimpleNamespace(list_jobs_async=list_jobs)))
    assert [job.id for job in asyncio.run(worker.unrecorded())] == [1]
    assert list(worker.ATTEMPTS_ENDED) == [3]


@ON_LINUX
def test_a_server_brings_a_worker(served_database: str) -> None:
    """It works beside the server, is started again when it is killed, and ends with the server."""
    publish(crowd(1)[0], 1)
    with serving(served_database, workers=1, jobs=True) as (_address, process):
        until(all_done, "the worker beside the server has done the job")
        (pid,) = children(process.pid)
        os.kill(pid, signal.SIGKILL)
        publish(crowd(1, "other")[0], 1)
        until(all_done, "another worker has done the next job")
        os.killpg(process.pid, signal.SIGINT)
        process.wait(PATIENCE_SECONDS)
        assert not has_worker(process.pid)
        assert query("SELECT id FROM procrastinate_workers WHERE last_heartbeat > now() - interval '1 second'") == []


def test_no_server_process_is_forked_while_a_worker_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would keep open what the start waits for: a worker that is killed later would have no successor."""
    starting, forked, seen = threading.Event(), threading.Event(), list[bool]()

    def popen(*_args: object, **_options: object) -> None:
        starting.set()
        seen.append(forked.wait(0.5))

    monkeypatch.setattr(worker_process.subprocess, "Popen", popen)
    keeper = threading.Thread(target=worker_process._start)
    keeper.start()
    starting.wait()
    process = os.fork()
    if not process:
        os._exit(0)
    forked.set()
    keeper.join()
    os.waitpid(process, 0)
    assert seen == [False]


@ON_LINUX
def test_no_worker_outlives_a_server_that_is_killed(served_database: str) -> None:
    """After `kill -9` of the server its worker is gone as well."""
    with serving(served_database, workers=1, jobs=True) as (_address, process):
        until(lambda: has_worker(process.pid), "the worker is there")
        (pid,) = children(process.pid)
        process.kill()
        process.wait(PATIENCE_SECONDS)
        until(lambda: not is_alive(pid), "the worker is gone")


def children(parent: int) -> list[int]:
    """The workers that this server has started."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if "worker" in words and words[-2:-1] == [str(parent)]:
            found.append(int(process.name))
    return found


def has_worker(parent: int) -> bool:
    return bool(children(parent))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
