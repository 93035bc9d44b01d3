"""SELECTs in the event loop: each gets its own answer, and no connection is used again before it is known to be at rest."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
import uvloop
from django.db import DataError, ProgrammingError, connection
from psycopg import AsyncConnection

from backend.engine import deadline as deadlines
from backend.engine.deadline import Deadline
from backend.engine.errors import Busy
from backend.engine.metrics import REGISTRY
from backend.postgresql import session
from backend.postgresql.reads import Reads, Statement, connection_parameters
from tests.races.cuttable_proxy import PORT, CuttableProxy
from tests.races.rivals import until
from tests.waiting import until_it_is

pytestmark = pytest.mark.django_db(transaction=True)

Work = Callable[[Reads], Awaitable[Any]]

PID = Statement.of("SELECT pg_backend_pid()")
SLEEP = Statement.of("SELECT pg_sleep(60), 'a long sleep'")
ECHO = Statement.of("SELECT $1::text")
PREPARED = Statement.of("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE $1")
NAMES = Statement.of("SELECT string_agg(statement, '|' ORDER BY statement) FROM pg_prepared_statements")


def within(work: Work, size: int = 1, parameters: dict[str, Any] | None = None) -> Any:
    """What `work` returns, in an event loop as the server's, over so many connections."""

    async def run() -> Any:
        reads = Reads(size, parameters or connection_parameters())
        try:
            return await work(reads)
        finally:
            await reads.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


async def fetch(reads: Reads, statement: Statement | str, *parameters: bytes | None, seconds: float = 60) -> Any:
    if isinstance(statement, str):
        statement = Statement.of(statement)
    return await reads.fetch(statement, parameters, Deadline(seconds))


async def value(reads: Reads, statement: Statement | str, *parameters: bytes | None) -> Any:
    """The one value, which is no answer to anybody else."""
    row = await fetch(reads, statement, *parameters)
    assert len(row) == 1
    return row[0]


def query(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """What PostgreSQL says on a connection of its own: Django's is for no event loop."""
    settings = connection.get_connection_params() | {"context": None, "cursor_factory": None}
    with psycopg.connect(**settings, autocommit=True) as one:
        cursor = one.execute(statement, parameters)
        return cursor.fetchall() if cursor.description is not None else []


def runs(text: str = "a long sleep") -> int:
    """How many sessions execute such a statement now."""
    ((count,),) = query(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE %s AND pid <> pg_backend_pid()",
        f"%{text}%",
    )
    return count


def test_each_gets_its_own_answer() -> None:
    async def work(reads: Reads) -> None:
        asked = [str(number).encode() for number in range(300)]
        answers = await asyncio.gather(*(value(reads, ECHO, one) for one in asked))
        assert answers == asked
        assert len(await pids(reads, 20)) <= 3

    within(work, size=3)


async def pids(reads: Reads, count: int) -> set[bytes]:
    return set(await asyncio.gather(*(value(reads, PID) for _ in range(count))))


def test_values_are_text_and_null_is_none() -> None:
    async def work(reads: Reads) -> None:
        assert await fetch(reads, "SELECT $1::int + 1, $2::text, NULL, true", b"41", None) == [b"42", None, None, b"t"]
        assert await fetch(reads, "SELECT 1 WHERE $1::bool", b"f") is None
        assert await value(reads, ECHO, "ஃ ☃".encode()) == "ஃ ☃".encode()
        assert await value(reads, ECHO, b"") == b""

    within(work)


def test_a_zero_byte_is_refused_instead_of_cut_off() -> None:
    async def work(reads: Reads) -> None:
        with pytest.raises(DataError, match="NUL"):
            await fetch(reads, ECHO, b"a\0b")

    within(work)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plan_cache_mode", b"force_generic_plan"),
        ("default_transaction_read_only", b"on"),
        ("TimeZone", b"UTC"),
        ("client_encoding", b"UTF8"),
        ("statement_timeout", b"15s"),
        ("lock_timeout", b"8s"),
        ("jit", b"off"),
    ],
)
def test_connections_are_set_up(name: str, expected: bytes) -> None:
    assert within(lambda reads: value(reads, "SELECT current_setting($1)", name.encode())) == expected


def test_nothing_can_be_written() -> None:
    async def work(reads: Reads) -> None:
        with pytest.raises(Exception, match="read-only"):
            await fetch(reads, "CREATE TABLE written (one int)")

    within(work)


def test_a_statement_is_prepared_at_second_sight() -> None:
    async def work(reads: Reads) -> None:
        counts = []
        for _ in range(4):
            await value(reads, ECHO, b"x")
            counts.append(await value(reads, f"SELECT count(*) + 0 * {len(counts)} FROM pg_prepared_statements"))
        assert counts == [b"0", b"1", b"1", b"1"]

    within(work)


def test_the_least_recently_used_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MAX_PREPARED", 3)

    async def work(reads: Reads) -> None:
        for number in (1, 2, 1, 3, 3):
            await value(reads, f"SELECT {number}")
            await value(reads, f"SELECT {number}")
        await value(reads, "SELECT 1")  # used later than 2
        await value(reads, "SELECT 4")
        await value(reads, "SELECT 4")
        assert await value(reads, NAMES) == b"SELECT 1|SELECT 3|SELECT 4"
        assert [await value(reads, f"SELECT {number}") for number in (2, 2, 3)] == [b"2", b"2", b"3"]

    within(work)


def test_long_statements_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MAX_PREPARED_BYTES", 300)
    monkeypatch.setattr(session, "MAX_STATEMENT_BYTES", 200)
    short, middle, long = ("SELECT 1" + " " * spaces for spaces in (0, 180, 400))

    async def work(reads: Reads) -> None:
        for text in (short, middle, middle + " ", long):
            assert [await value(reads, text) for _ in range(3)] == [b"1"] * 3
        assert await value(reads, NAMES) == (middle + " ").encode()

    within(work)


def test_an_error_leaves_the_connection_usable() -> None:
    """At first sight, while it is prepared, and prepared."""

    async def work(reads: Reads) -> None:
        before = await value(reads, PID)
        for _ in range(4):
            with pytest.raises(DataError, match="division by zero"):
                await fetch(reads, "SELECT 1 / $1::int", b"0")
            with pytest.raises(ProgrammingError, match="syntax"):
                await fetch(reads, "SELECT SELECT")
            assert await value(reads, "SELECT 6 / $1::int", b"2") == b"3"
        assert await value(reads, PID) == before

    within(work)


def test_a_statement_whose_table_has_changed_runs_unprepared() -> None:
    async def work(reads: Reads) -> None:
        for _ in range(3):
            assert await fetch(reads, "SELECT * FROM changing") == [b"1"]
        query("ALTER TABLE changing ADD two int DEFAULT 2")
        for _ in range(3):
            assert await fetch(reads, "SELECT * FROM changing") == [b"1", b"2"]
        assert await value(reads, PREPARED, b"SELECT * FROM changing") == b"1"

    query("CREATE TABLE changing AS SELECT 1 AS one")
    try:
        within(work)
    finally:
        query("DROP TABLE changing")


def test_a_statement_that_is_prepared_no_more_runs_unprepared() -> None:
    """As behind a pooler that has changed the connection."""

    async def work(reads: Reads) -> None:
        for _ in range(3):
            await value(reads, ECHO, b"x")
        await fetch(reads, "DEALLOCATE ALL")
        assert [await value(reads, ECHO, b"y") for _ in range(3)] == [b"y"] * 3

    within(work)


def test_a_name_that_is_taken_is_no_error() -> None:
    async def work(reads: Reads) -> None:
        await fetch(reads, f"PREPARE {ECHO.name.decode()} AS SELECT 1")
        assert [await value(reads, ECHO, b"y") for _ in range(4)] == [b"y"] * 4

    within(work)


@pytest.mark.parametrize("sights", [0, 1, 2], ids=["new", "being prepared", "prepared"])
def test_a_deadline_cancels_in_postgresql(sights: int) -> None:
    statement = Statement.of("SELECT pg_sleep($1::float8), 'a long sleep'")

    async def work(reads: Reads) -> None:
        for _ in range(sights):
            await fetch(reads, statement, b"0")
        before = await value(reads, PID)
        with pytest.raises(Busy) as refused:
            await fetch(reads, statement, b"60", seconds=0.3)
        assert refused.value.cause == deadlines.TOOK_TOO_LONG
        assert refused.value.after_ms > 0
        assert await value(reads, PID) == before
        assert runs() == 0
        await fetch(reads, statement, b"0")

    within(work)


def test_who_has_left_is_waited_for_no_more() -> None:
    async def work(reads: Reads) -> None:
        deadline = Deadline(60)
        asyncio.get_running_loop().call_later(0.2, deadline.leave)
        with pytest.raises(Busy) as refused:
            await reads.fetch(SLEEP, (), deadline)
        assert refused.value.cause == deadlines.LEFT
        assert await value(reads, "SELECT 1") == b"1"
        assert runs() == 0

    within(work)


def test_a_cancelled_task_cancels_in_postgresql() -> None:
    async def work(reads: Reads) -> None:
        before = await value(reads, PID)
        task = asyncio.create_task(fetch(reads, SLEEP))
        await asyncio.sleep(0)
        await until_it_is(lambda: runs() == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await value(reads, PID) == before
        assert runs() == 0

    within(work)


def test_a_late_cancel_hits_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The statement ends while its cancel is under way: the next one waits until that has arrived."""
    real, arrived = AsyncConnection.cancel_safe, []

    async def late(self: Any, *, timeout: float = 30.0) -> None:
        await asyncio.sleep(0.5)
        await real(self, timeout=timeout)
        arrived.append(True)

    monkeypatch.setattr(AsyncConnection, "cancel_safe", late)

    async def work(reads: Reads) -> None:
        task = asyncio.create_task(fetch(reads, "SELECT pg_sleep(0.2)"))
        await until_it_is(lambda: runs("pg_sleep(0.2)") == 1)
        task.cancel()
        for _ in range(10):
            assert await fetch(reads, "SELECT pg_sleep(0.05)") == [b""]
            assert arrived

    within(work)


def test_a_cancel_that_came_too_early_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    real, tried = AsyncConnection.cancel_safe, []

    async def second(self: Any, *, timeout: float = 30.0) -> None:
        tried.append(True)
        if len(tried) > 1:
            await real(self, timeout=timeout)

    monkeypatch.setattr(AsyncConnection, "cancel_safe", second)

    async def work(reads: Reads) -> None:
        before = await value(reads, PID)
        with pytest.raises(Busy):
            await fetch(reads, SLEEP, seconds=0.1)
        assert await value(reads, PID) == before
        assert len(tried) > 1

    within(work)


def test_many_that_are_cancelled_harm_nobody() -> None:
    async def work(reads: Reads) -> None:
        for number in range(40):
            tasks = [asyncio.create_task(value(reads, ECHO, str(one).encode())) for one in range(6)]
            for _ in range(number % 5):
                await asyncio.sleep(0)
            tasks[number % 6].cancel()
            tasks[(number + 3) % 6].cancel()
            for one, answer in enumerate(await asyncio.gather(*tasks, return_exceptions=True)):
                assert answer == str(one).encode() or isinstance(answer, asyncio.CancelledError)
        assert len(await pids(reads, 10)) <= 2

    within(work, size=2)


def test_a_cancel_that_fails_costs_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(_self: Any, *, timeout: float = 30.0) -> None:
        raise psycopg.OperationalError("no cancel")

    monkeypatch.setattr(AsyncConnection, "cancel_safe", fails)

    async def work(reads: Reads) -> None:
        before = await value(reads, PID)
        with pytest.raises(Busy):
            await fetch(reads, "SELECT pg_sleep(2)", seconds=0.1)
        assert await value(reads, PID) != before

    within(work)


def test_waiting_for_a_connection_ends_with_the_deadline() -> None:
    async def work(reads: Reads) -> None:
        slow = asyncio.create_task(fetch(reads, SLEEP))
        await until_it_is(lambda: runs() == 1)
        with pytest.raises(Busy) as refused:
            await fetch(reads, PID, seconds=0.3)
        assert refused.value.cause == deadlines.TOOK_TOO_LONG
        with pytest.raises(Busy):
            await fetch(reads, PID, seconds=0)
        slow.cancel()
        assert await value(reads, "SELECT 1") == b"1"

    within(work)


def test_who_came_first_is_served_first() -> None:
    async def work(reads: Reads) -> list[int]:
        order: list[int] = []

        async def one(number: int) -> None:
            await fetch(reads, ECHO, b"x")
            order.append(number)

        await asyncio.gather(*(one(number) for number in range(30)))
        return order

    assert within(work) == list(range(30))


@pytest.mark.parametrize("noticed", [True, False])
def test_an_idle_connection_that_was_closed_is_replaced(noticed: bool) -> None:
    """Whether the event loop has seen it end or has not had the time."""

    async def work(reads: Reads) -> None:
        before = await pids(reads, 9)
        gone = ",".join(pid.decode() for pid in before)
        query(f"SELECT pg_terminate_backend(pid, 5000) FROM unnest(ARRAY[{gone}]) pid")
        if noticed:
            await asyncio.sleep(0.2)
        assert not before & await pids(reads, 9)

    within(work, size=3)


def test_a_connection_that_is_ended_in_the_middle_is_busy() -> None:
    async def work(reads: Reads) -> None:
        await value(reads, PID)
        task = asyncio.create_task(fetch(reads, SLEEP))
        await until_it_is(lambda: runs() == 1)
        query("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE query LIKE %s", SLEEP.sql.decode())
        with pytest.raises(Busy):
            await task
        assert await value(reads, "SELECT 1") == b"1"

    within(work)


def test_connections_that_end_at_any_moment_leave_nobody_waiting() -> None:
    """While a long text is being sent, too: of an end with data unread the event loop is told only once."""

    async def work(reads: Reads) -> None:
        for number in range(20):
            tasks = [asyncio.create_task(fetch(reads, ECHO, b"x" * 300_000)) for _ in range(4)]
            for _ in range(number % 4):
                await asyncio.sleep(0)
            query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND query LIKE %s AND pid <> pg_backend_pid()",
                ECHO.sql.decode(),
            )
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(one, list) or (isinstance(one, Busy) and one.cause is None) for one in answers)

    within(work, size=2)


def through(proxy: CuttableProxy) -> dict[str, Any]:
    return connection_parameters() | {"host": str(proxy.folder), "port": PORT}


@pytest.fixture
def proxy() -> Any:
    """What leads to the database, and can be cut."""
    proxy = CuttableProxy()
    yield proxy
    proxy.close()


@pytest.mark.parametrize("kept", [True, False])
def test_a_connection_that_breaks_is_replaced_once_if_it_was_kept(proxy: CuttableProxy, kept: bool) -> None:
    """It may have been broken before. A new one was not."""

    async def work(reads: Reads) -> None:
        if kept:
            await value(reads, "SELECT 1")
        proxy.cut("before", b"a text that is cut")
        cut = fetch(reads, "SELECT 'a text that is cut'")
        if kept:
            assert await cut == [b"a text that is cut"]
        else:
            with pytest.raises(Busy):
                await cut
        assert proxy.is_whole
        assert await value(reads, "SELECT 1") == b"1"

    within(work, parameters=through(proxy))


def test_a_database_that_is_away_is_busy_and_counted(proxy: CuttableProxy) -> None:
    def refused() -> float:
        return REGISTRY.get_sample_value("katha_connection_errors_total", {"cause": "refused"}) or 0

    async def work(reads: Reads) -> None:
        await value(reads, "SELECT 1")
        proxy.go_away()
        before = refused()
        answers = await asyncio.gather(*(fetch(reads, ECHO, b"x") for _ in range(9)), return_exceptions=True)
        assert {type(answer) for answer in answers} == {Busy}
        assert refused() > before
        proxy.come_back()
        assert await value(reads, "SELECT 1") == b"1"

    within(work, size=2, parameters=through(proxy))


@pytest.mark.parametrize("connected", [True, False])
def test_a_database_that_says_nothing_is_busy(
    proxy: CuttableProxy, monkeypatch: pytest.MonkeyPatch, connected: bool
) -> None:
    monkeypatch.setattr(deadlines, "CANCEL_SECONDS", 30)
    monkeypatch.setattr(deadlines, "SILENT_SECONDS", 0.3)

    async def work(reads: Reads) -> None:
        if connected:
            await value(reads, "SELECT 1")
        proxy.fall_silent()
        with pytest.raises(Busy):
            await fetch(reads, "SELECT 1", seconds=0.2)
        if connected:
            await until_it_is(lambda: not reads._sessions)
        proxy.speak()
        assert await value(reads, "SELECT 1") == b"1"

    within(work, parameters=through(proxy))


def test_much_comes_and_goes_and_its_buffer_is_not_kept() -> None:
    """More than a socket holds, both ways."""
    size = 20_000_000

    async def work(reads: Reads) -> None:
        before = await value(reads, PID)
        assert len(await value(reads, f"SELECT repeat('x', {size})")) == size
        text = b"y" * size
        assert await value(reads, ECHO, text) == text
        assert await value(reads, PID) != before

    within(work)


def test_connections_of_a_loop_that_has_ended_are_not_used() -> None:
    reads = Reads(1, connection_parameters())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        before = runner.run(value(reads, PID))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(value(reads, PID)) != before
        until(lambda: not query("SELECT FROM pg_stat_activity WHERE pid = %s", int(before)), "it to be closed")
        runner.run(reads.close())


def test_whoever_waits_when_all_is_closed_is_told() -> None:
    async def work(reads: Reads) -> None:
        tasks = [asyncio.create_task(fetch(reads, SLEEP)) for _ in range(3)]
        await until_it_is(lambda: runs() == 1)
        await reads.close()
        assert {type(one) for one in await asyncio.gather(*tasks, return_exceptions=True)} == {Busy}
        assert runs() == 0
        assert await value(reads, "SELECT 1") == b"1"

    within(work)


def test_a_process_that_was_forked_leaves_the_connections_of_its_parent_alone() -> None:
    reads = Reads(1, connection_parameters())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        before = runner.run(value(reads, PID))
        child = os.fork()
        if child == 0:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as other:
                os._exit(0 if other.run(value(reads, PID)) != before else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert runner.run(value(reads, PID)) == before
        runner.run(reads.close())
