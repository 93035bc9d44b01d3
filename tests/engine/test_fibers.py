"""Fibers: code that waits for the database in the event loop's thread, while the loop goes on with everything else."""

import asyncio
import os
import socket
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NoReturn

import psycopg
import pytest
import uvloop
from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError, OperationalError, connection, connections, transaction

from backend.engine import fibers, pipeline
from backend.engine.deadline import Deadline, limited
from backend.engine.fibers import Fibers
from backend.engine.threads import NOT_CARRIED, in_thread
from backend.people.models import Person
from backend.postgresql.base import Connection
from tests.races.rivals import my_pid, terminate
from tests.races.rows import scalar
from tests.waiting import until_it_is

pytestmark = pytest.mark.django_db(transaction=True)

LARGE = 8_000_000
"""More characters than a socket takes at once."""
PATIENCE_SECONDS = 60
"""Who waits for longer waits for ever."""


class Loop(uvloop.Loop):
    """An event loop as the server's, which notes what it watches."""

    def __init__(self) -> None:
        super().__init__()
        self.watched: list[tuple[str, int]] = []

    def add_reader(self, fd: Any, *args: Any) -> None:
        """Watch it."""
        self.watched.append(("from now on", fd))
        super().add_reader(fd, *args)

    def remove_reader(self, fd: Any) -> None:
        """Watch it no more."""
        self.watched.append(("no more", fd))
        super().remove_reader(fd)


def within(work: Callable[[Fibers], Awaitable[None]]) -> None:
    """Do it in an event loop, with fibers that are closed in the end."""
    faults: list[dict[str, Any]] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: faults.append(context))
        ours = Fibers(partial(in_thread, None))
        try:
            await work(ours)
        finally:
            await ours.close(connections.close_all)

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(run())
    assert faults == []


def sessions(pids: set[int]) -> int:
    with psycopg.connect(**connection.get_connection_params() | {"context": None, "cursor_factory": None}) as other:
        row = other.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s)", [list(pids)]).fetchone()
    assert row is not None
    return int(row[0])


def test_while_one_waits_for_a_lock_another_takes_it_further() -> None:
    """In one thread, each over a connection of its own: a thread would wait for itself here for ever."""
    steps: list[str] = []

    def hold(release: threading.Event) -> int:
        with transaction.atomic():
            scalar("SELECT pg_advisory_xact_lock(1)")
            steps.append("held")
            while not release.is_set():
                scalar("SELECT pg_sleep(0.01)")
            steps.append("released")
            return threading.get_ident()

    def follow() -> int:
        with transaction.atomic():
            steps.append("asks")
            scalar("SELECT pg_advisory_xact_lock(1)")
            steps.append("has it")
            return threading.get_ident()

    async def work(ours: Fibers) -> None:
        release = threading.Event()
        first = asyncio.ensure_future(ours.run(partial(hold, release)))
        await until_it_is(lambda: steps == ["held"])
        second = asyncio.ensure_future(ours.run(follow))
        await until_it_is(lambda: steps == ["held", "asks"])
        await asyncio.sleep(0.1)
        release.set()
        assert await asyncio.gather(first, second) == [threading.get_ident()] * 2
        assert steps == ["held", "asks", "released", "has it"]

    within(work)


def test_each_keeps_a_connection_and_serves_again() -> None:
    """Calls one after the other share one; those at once have one each. None is left in the end."""
    pids: set[int] = set()

    async def work(ours: Fibers) -> None:
        assert await ours.run(my_pid) == await ours.run(my_pid)
        pids.update(
            await asyncio.gather(*(ours.run(lambda: (scalar("SELECT pg_sleep(0.05)"), my_pid())[1]) for _ in range(3)))
        )
        assert len(pids) == sessions(pids) == 3

    within(work)
    assert sessions(pids) == 0


def test_a_socket_is_watched_once_however_often_a_call_waits_for_it() -> None:
    """And no more once the call has ended."""

    def ask() -> int:
        for _ in range(5):
            scalar("SELECT 1")
        return connection.connection.fileno()  # type: ignore[no-any-return]

    async def work(ours: Fibers) -> None:
        await ours.run(ask)  # which connects
        loop: Any = asyncio.get_running_loop()
        loop.watched.clear()
        number = await ours.run(ask)
        assert loop.watched == [("from now on", number), ("no more", number)]

    within(work)


def fill_below(number: int) -> list[int]:
    """Take all file descriptors below this one: it is the next to be given, as soon as it is free."""
    taken = [os.dup(0)]
    while taken[-1] < number:
        taken.append(os.dup(0))
    os.close(taken.pop())
    return taken


def leave() -> list[int]:
    """Close this fiber's connection, and let the next socket have its number."""
    scalar("SELECT 1")
    taken = fill_below(connection.connection.fileno())
    connection.close()
    return taken


def test_a_connection_that_is_made_anew_under_the_same_number_is_watched_anew() -> None:
    """The system has forgotten to watch the number when the socket was closed. The loop is told before there is another."""

    def anew() -> tuple[int, int]:
        connection.ensure_connection()
        before = connection.connection.fileno()
        taken = leave()
        for _ in range(2):
            scalar("SELECT 1")
        for one in taken:
            os.close(one)
        return before, connection.connection.fileno()

    async def work(ours: Fibers) -> None:
        before, after = await asyncio.wait_for(ours.run(anew), PATIENCE_SECONDS)
        assert before == after
        loop: Any = asyncio.get_running_loop()
        assert loop.watched == [("from now on", before), ("no more", before)] * 2

    within(work)


def test_a_number_that_another_fiber_has_by_now_is_left_to_it() -> None:
    """One has closed its connection, and a thread works for it. Another one's new connection has the same number."""
    has_left, go_on = threading.Event(), threading.Event()

    def first() -> list[int]:
        taken = leave()
        has_left.set()
        fibers.blocking(partial(go_on.wait, PATIENCE_SECONDS))
        return taken

    def second() -> int:
        scalar("SELECT pg_sleep(0.5)")
        return connection.connection.fileno()

    async def work(ours: Fibers) -> None:
        leaving = asyncio.ensure_future(ours.run(first))
        await until_it_is(has_left.is_set)
        other = asyncio.ensure_future(ours.run(second))
        loop: Any = asyncio.get_running_loop()
        await until_it_is(lambda: len(loop.watched) == 3)
        go_on.set()
        taken = await leaving
        assert not other.done()
        number = await asyncio.wait_for(other, PATIENCE_SECONDS)
        assert loop.watched == [("from now on", number), ("no more", number)] * 2
        for one in taken:
            os.close(one)

    within(work)


@pytest.mark.parametrize("kind", NOT_CARRIED)
def test_what_no_future_carries_is_told_as_an_error(kind: type[BaseException]) -> None:
    """Whoever waits does not do so for ever, nor takes it for a result; nothing is written, and no transaction is left open."""
    pids: list[int] = []

    def write() -> NoReturn:
        with transaction.atomic():
            Person.objects.create(handle="nobody", name="Nobody")
            pids.append(my_pid())
            raise kind

    async def work(ours: Fibers) -> None:
        for _ in range(2):
            with pytest.raises(RuntimeError, match=kind.__name__) as told:
                await asyncio.wait_for(ours.run(write), PATIENCE_SECONDS)
            assert isinstance(told.value.__cause__, kind)
        assert not ours._results
        assert await asyncio.wait_for(ours.run(Person.objects.count), PATIENCE_SECONDS) == 0
        assert pids == [await ours.run(my_pid)] * 2

    within(work)


@pytest.mark.parametrize("kind", NOT_CARRIED)
def test_what_no_future_carries_out_of_a_thread_is_told_as_an_error(kind: type[BaseException]) -> None:
    def fail() -> NoReturn:
        raise kind

    async def work(ours: Fibers) -> None:
        for waiting in (in_thread(None, fail), ours.run(partial(fibers.blocking, fail))):
            with pytest.raises(RuntimeError, match=kind.__name__):
                await asyncio.wait_for(waiting, PATIENCE_SECONDS)
        assert await ours.run(my_pid)

    within(work)


def test_an_error_is_raised_to_who_waits_and_spoils_nothing() -> None:
    def divide() -> None:
        with transaction.atomic():
            Person.objects.create(handle="nobody", name="Nobody")
            scalar("SELECT 1 / 0")

    async def work(ours: Fibers) -> None:
        with pytest.raises(DatabaseError):
            await ours.run(divide)
        assert await ours.run(Person.objects.count) == 0
        with pytest.raises(ZeroDivisionError):
            await ours.run(lambda: 1 // 0)
        assert await ours.run(my_pid)

    within(work)


def test_what_is_begun_is_done_although_nobody_waits_any_more() -> None:
    """As in a thread: whoever waited was cancelled, and what was to be written is written."""

    def write() -> None:
        with transaction.atomic():
            scalar("SELECT pg_sleep(0.1)")
            Person.objects.create(handle="late", name="Late")

    async def work(ours: Fibers) -> None:
        waiting = asyncio.ensure_future(ours.run(write))
        await asyncio.sleep(0.02)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await until_it_is(lambda: not ours._results)
        assert await ours.run(Person.objects.count) == 1

    within(work)


def test_a_connection_that_ends_is_an_error_and_the_next_call_has_a_new_one() -> None:
    async def work(ours: Fibers) -> None:
        pid = await ours.run(my_pid)
        sleeping = asyncio.ensure_future(ours.run(lambda: scalar("SELECT pg_sleep(3)")))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(terminate, pid)
        with pytest.raises(OperationalError):
            await sleeping
        await ours.run(connections.close_all)
        assert await ours.run(my_pid) != pid

    within(work)


def test_what_is_larger_than_a_socket_takes_is_sent() -> None:
    """Both ways, by Django's cursor and by the pipeline."""
    text = "x" * LARGE
    statement = pipeline.Statement.of("SELECT $1::text")

    def piped() -> int:
        current = pipeline.current()
        [(found,)] = current.rows_of(current.result(current.send(pipeline.Sent(statement, [text.encode()]))))
        return len(found)

    async def work(ours: Fibers) -> None:
        assert await ours.run(lambda: len(scalar("SELECT %s::text", text))) == LARGE
        assert await ours.run(piped) == LARGE

    within(work)


def test_a_database_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline's patience holds in a fiber as in a thread, and no late answer is taken for the next one's."""
    monkeypatch.setattr("backend.engine.deadline.SILENT_SECONDS", 0.3)

    def sleep() -> None:
        with limited(Deadline(0.1)):
            scalar("SELECT pg_sleep(3)")

    async def work(ours: Fibers) -> None:
        pid = await ours.run(my_pid)
        with pytest.raises(OperationalError, match="timeout expired"):
            await ours.run(sleep)
        await ours.run(connections.close_all)
        assert await ours.run(my_pid) != pid

    within(work)


def test_connecting_stops_nobody_else() -> None:
    """A server that accepts and never speaks: the loop goes on, and so does another fiber."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = {"host": "127.0.0.1", "port": silent.getsockname()[1], "connect_timeout": 2}

        async def work(ours: Fibers) -> None:
            connecting = asyncio.ensure_future(ours.run(lambda: connect(address)))
            await asyncio.sleep(0.05)
            assert await ours.run(my_pid)
            assert not connecting.done()
            with pytest.raises(psycopg.OperationalError):
                await connecting

        within(work)


def connect(address: dict[str, Any]) -> None:
    fibers.blocking(partial(Connection.connect, **address))


def test_what_blocks_is_done_in_a_thread() -> None:
    """Its result, and its error, come back to the fiber."""

    async def work(ours: Fibers) -> None:
        assert await ours.run(lambda: fibers.blocking(threading.get_ident)) != threading.get_ident()
        with pytest.raises(ZeroDivisionError):
            await ours.run(lambda: fibers.blocking(lambda: 1 // 0))

    within(work)
    assert fibers.blocking(threading.get_ident) == threading.get_ident()


@pytest.mark.parametrize("need", ["_watch_socket", "_in_thread"])
def test_what_cannot_be_given_is_told(need: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more sockets are watched, or the process ends: the fiber is told that its connection is lost. It serves again."""

    def refuse(*_: Any) -> Any:
        raise RuntimeError("no more")

    async def work(ours: Fibers) -> None:
        pid = await ours.run(my_pid)
        with monkeypatch.context() as patch:
            patch.setattr(ours, need, refuse)
            call = partial(fibers.blocking, my_pid) if need == "_in_thread" else partial(scalar, "SELECT 1")
            with pytest.raises((OperationalError, psycopg.OperationalError), match="no more"):
                await asyncio.wait_for(ours.run(call), 60)
        await ours.run(lambda: pipeline.current().drop_broken_connection())
        assert (await ours.run(my_pid) == pid) == (need == "_in_thread")
        assert not ours._results

    within(work)


def test_nobody_waits_for_the_database_in_the_event_loop_itself() -> None:
    """Where it would stop everybody: that is a mistake in the code."""

    async def work(_: Fibers) -> None:
        with pytest.raises(SynchronousOnlyOperation):
            scalar("SELECT 1")
        connections.close_all()

    within(work)


def test_those_at_work_in_the_end_are_told_and_leave_nothing() -> None:
    """The process ends: their connection is closed, and their transaction rolled back."""
    found: list[BaseException] = []

    def write() -> None:
        try:
            with transaction.atomic():
                Person.objects.create(handle="never", name="Never")
                scalar("SELECT pg_sleep(3)")
        except OperationalError as error:
            found.append(error)
            raise

    async def work(ours: Fibers) -> None:
        writing = asyncio.ensure_future(ours.run(write))
        await asyncio.sleep(0.2)
        await ours.close(connections.close_all)
        with pytest.raises(OperationalError, match="the process ends"):
            await writing

    within(work)
    assert len(found) == 1
    with transaction.atomic():
        connection.cursor().execute("LOCK TABLE people_person")  # once PostgreSQL has noticed, which sleeps until then
    assert Person.objects.count() == 0
