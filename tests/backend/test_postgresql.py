"""Katha's connections to PostgreSQL: a rollback keeps what is prepared, and a moment is in UTC however it is read."""

import asyncio
from contextlib import suppress
from datetime import UTC, timedelta
from functools import partial

import psycopg
import pytest
from django.contrib.sessions.models import Session
from django.db import InterfaceError, NotSupportedError, OperationalError, connection, connections, transaction
from django.utils import timezone

from backend.engine.fibers import Fibers
from backend.people.models import Person
from backend.postgresql.select import select
from backend.postgresql.session import Statement
from tests.api import ApiClient


def prepared() -> set[str]:
    """The statements that PostgreSQL keeps prepared for this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return {statement for (statement,) in cursor.fetchall()}


@pytest.fixture
def new_connection(transactional_db: None) -> None:
    """One that has prepared nothing yet. Those that tests share forget a statement for each new one, beyond a hundred."""
    connection.close()


def test_a_rollback_keeps_the_statements_that_are_prepared(new_connection: None) -> None:
    for _ in range(4):
        Person.objects.filter(handle="nobody").exists()
    before = {statement for statement in prepared() if "people_person" in statement}
    assert before
    with transaction.atomic():
        Person.objects.filter(handle="nobody").exists()
        transaction.set_rollback(True)
    assert before <= prepared()
    assert not Person.objects.filter(handle="nobody").exists()


def test_a_rollback_undoes(asha: ApiClient) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM people_accesstoken")
        assert cursor.rowcount == 1
        transaction.set_rollback(True)
    assert asha.ask("{ viewer { handle } }") == {"viewer": {"handle": "asha"}}


def test_a_statement_that_fails_is_prepared_by_nobody(new_connection: None) -> None:
    """What PostgreSQL refused is sent whole the next time."""
    for _ in range(5):
        with pytest.raises(Exception, match="division by zero"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1 / %s", [0])
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 / %s", [1])
        assert cursor.fetchall() == [(1,)]


def test_a_statement_whose_table_has_changed_fails_once(transactional_db: None) -> None:
    """So a migration under a server that runs costs each of its connections one refused request, not all of them."""

    def look() -> int:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT * FROM changing")
            return len(cursor.description)

    with psycopg.connect(**connection.get_connection_params() | {"context": None, "cursor_factory": None}) as other:
        other.execute("CREATE TABLE changing (one int)")
        other.commit()
        try:
            assert [look() for _ in range(4)] == [1] * 4
            other.execute("ALTER TABLE changing ADD two int")
            other.commit()
            with pytest.raises(NotSupportedError, match="cached plan"):
                look()
            assert [look() for _ in range(4)] == [2] * 4
        finally:
            other.execute("DROP TABLE changing")


def test_a_rollback_on_a_connection_that_is_gone_says_so(transactional_db: None) -> None:
    connection.ensure_connection()
    connection.set_autocommit(False)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        with psycopg.connect(**connection.get_connection_params() | {"context": None, "cursor_factory": None}) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        with pytest.raises(OperationalError):
            connection.rollback()
    finally:
        connection.close()


ENDS_ITSELF = Statement.of(
    "SELECT pg_backend_pid(), CASE WHEN pg_backend_pid() = $1::int THEN pg_terminate_backend(pg_backend_pid()) END"
)
"""It breaks the connection that has this id, while it runs."""


def backend() -> bytes:
    """The id of this thread's connection, which is made if there is none."""
    row = select(Statement.of("SELECT pg_backend_pid()"), [])
    assert row is not None
    assert row[0] is not None
    return row[0]


def test_what_only_reads_is_read_again_if_its_connection_breaks(transactional_db: None) -> None:
    """So a mutation that is committed is answered, though its connection ends while the answer is read."""
    broken = backend()
    row = select(ENDS_ITSELF, [broken])
    assert row is not None
    assert row == [backend(), None]
    assert row[0] != broken


def test_in_a_transaction_nothing_is_read_again(transactional_db: None) -> None:
    """What it has written is gone with its connection."""
    broken = backend()
    with pytest.raises((OperationalError, InterfaceError)), transaction.atomic():
        select(ENDS_ITSELF, [broken])
    assert backend() != broken


def test_what_breaks_every_connection_is_read_twice(transactional_db: None) -> None:
    with pytest.raises((OperationalError, InterfaceError)):
        select(Statement.of("SELECT pg_terminate_backend(pg_backend_pid())"), [])
    assert backend()


def test_a_fiber_may_use_savepoints_and_cursors_of_the_server(transactional_db: None) -> None:
    """Whatever Django itself begins there it can also end: it refuses both in an event loop."""

    def begin(key: str) -> None:
        Session.objects.create(session_key=key, session_data="", expire_date=timezone.now())

    def nested() -> list[str]:
        with transaction.atomic():
            with transaction.atomic():
                begin("kept")
            with suppress(ZeroDivisionError), transaction.atomic():
                begin("undone")
                raise ZeroDivisionError
            return [one.session_key for one in Session.objects.iterator()]

    async def run() -> list[str]:
        ours = Fibers(partial(asyncio.get_running_loop().run_in_executor, None))
        try:
            return await ours.run(nested)
        finally:
            await ours.close(connections.close_all)

    assert asyncio.run(run()) == ["kept"]


def test_moments_are_read_in_utc(asha: ApiClient) -> None:
    """By a plain cursor, through the ORM, and by a cursor that PostgreSQL holds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT joined_at, statement_timestamp() AT TIME ZONE 'UTC' FROM people_person")
        plain, without_zone = cursor.fetchone()
    (row,) = Person.objects.all()
    (streamed,) = Person.objects.values_list("joined_at", flat=True).iterator(chunk_size=1)
    assert plain == row.joined_at == streamed
    assert plain.tzinfo is row.joined_at.tzinfo is streamed.tzinfo is UTC
    assert abs(plain.replace(tzinfo=None) - without_zone) < timedelta(minutes=5)
