"""A mutation whose time is over when it commits: its client is told what became of it, and its cancel hits nobody else."""

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection

from backend.engine import committed
from backend.engine.deadline import Deadline, limited
from backend.engine.transactions import unit_of_work
from backend.people.models import Person
from tests.api import ApiClient
from tests.races.rows import assert_sound, crowd
from tests.schema.in_loop import Held, Server, within
from tests.schema.test_writing_in_loop import SHORT_SECONDS, follow, known
from tests.waiting import until_it_is

pytestmark = pytest.mark.django_db(transaction=True)

WAITS = """
SELECT count(*) FROM pg_locks JOIN pg_database AS mine ON mine.oid = database AND mine.datname = current_database()
WHERE locktype = 'advisory' AND NOT granted
"""
PLAIN = {"context": None, "cursor_factory": None}
"""Parameters of a connection that is psycopg's own."""
IS_THERE = "SELECT count(*) FROM social_relationship"


@pytest.fixture
def commit_waits() -> Iterator[None]:
    """The COMMIT of a new relationship waits for whoever holds an advisory lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION wait_at_commit() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$"
        )
        cursor.execute(
            "CREATE CONSTRAINT TRIGGER waits_at_commit AFTER INSERT ON social_relationship "
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_at_commit()"
        )
        yield
        cursor.execute("DROP FUNCTION wait_at_commit() CASCADE")


class Late:
    """A request to cancel that is sent only when the test says so. Its statement may have ended by then."""

    def __init__(self) -> None:
        self._cancel = psycopg.Connection.cancel_safe
        self.begun, self.send = threading.Event(), threading.Event()

    def cancel(self, raw: Any, timeout: float) -> None:
        """In place of psycopg's."""
        self.begun.set()
        self.send.wait(60)
        self._cancel(raw, timeout=timeout)


@pytest.mark.parametrize(
    ("runs", "told", "told_again"),
    [(True, {"code": "OUTCOME_UNKNOWN"}, "WRITTEN"), (False, {"applied": "WRITTEN"}, "REPLAYED")],
    ids=["while COMMIT runs", "when COMMIT has ended"],
)
def test_a_late_cancel_at_commit(
    asha: ApiClient,
    bilal: ApiClient,
    commit_waits: None,
    monkeypatch: pytest.MonkeyPatch,
    runs: bool,
    told: Any,
    told_again: str,
) -> None:
    """It was begun while a statement before COMMIT waited. What is told is so, and the connection serves the next request."""
    late, key = Late(), str(uuid.uuid4())

    async def work(server: Server) -> None:
        with psycopg.connect(**connection.get_connection_params() | PLAIN, autocommit=True) as other:
            await during(server, lambda sql: other.execute(sql).fetchone()[0])

    async def during(server: Server, found: Callable[[str], int]) -> None:
        monkeypatch.setattr(psycopg.Connection, "cancel_safe", lambda raw, *, timeout: late.cancel(raw, timeout))
        if runs:
            found("SELECT pg_advisory_lock(1)")
        with Held("people_persontally") as held:
            first = asyncio.ensure_future(follow(server, asha, bilal, key=key))
            await until_it_is(late.begun.is_set)
            held.release()
            await until_it_is(lambda: found(WAITS if runs else IS_THERE) == 1)
            await asyncio.sleep(0.3)  # for one that does not wait for the cancel
            assert not first.done()
            late.send.set()
            answer = await first
        assert {name: answer[name] for name in told} == told
        assert found(IS_THERE) == (not runs)
        found("SELECT pg_advisory_unlock_all()")
        assert (await follow(server, asha, bilal, key=key))["applied"] == told_again

    within(lambda server: known(server, asha))
    within(work, REQUEST_SECONDS=SHORT_SECONDS, THREADS=1)
    assert_sound()


@pytest.mark.parametrize("ends", [Deadline.leave, lambda mine: setattr(mine, "_at", 0.0)], ids=["left", "too long"])
def test_what_has_only_to_commit_is_committed_although_its_time_is_over(ends: Callable[[Deadline], None]) -> None:
    """All its statements have ended, so the cancel hits none of them, nor COMMIT. Who asks again with its key has it at once."""
    mine = Deadline(3600)

    def work() -> None:
        crowd(1)
        ends(mine)
        mine.enforce()

    with limited(mine):
        unit_of_work(work)
        assert committed.has_committed()
    assert Person.objects.count() == 1


def test_an_answer_is_not_cancelled_for_what_its_write_has_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is over when it is looked at; before the lock is there, a COMMIT has given as long again."""
    told: list[float] = []
    mine = Deadline(3600)
    mine._at = 0.0

    class Connection:
        def cancel_safe(self, *, timeout: float) -> None:
            told.append(timeout)

    class CommitsFirst:
        def __enter__(self) -> None:
            mine.extend()

        def __exit__(self, *_: object) -> None: ...

    mine._cancellable, mine._lock = Connection(), CommitsFirst()  # type: ignore[assignment]
    mine.enforce()
    assert told == []
