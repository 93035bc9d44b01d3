"""The advice on when to retry grows with how long the database has been away, and only with that."""

import json
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, OperationalError, connection

from backend.engine import errors, transactions
from backend.engine.errors import Busy, OutcomeUnknown, after_busy_ms
from backend.engine.outage import FORGET_SECONDS, Outage
from backend.engine.transactions import refusal_for, snapshot, unit_of_work
from schema.execution.problems import busy
from tests.api.http import Client

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 200


@pytest.fixture(autouse=True)
def healthy(monkeypatch: pytest.MonkeyPatch) -> Outage:
    """A process whose database has served it so far."""
    fresh = Outage()
    for module in (errors, transactions):
        monkeypatch.setattr(module, "OUTAGE", fresh)
    monkeypatch.setattr("schema.server.health.OUTAGE", fresh)
    return fresh


def waits(lasted: float = 0.0) -> tuple[int, int]:
    """The shortest and the longest wait that is advised."""
    found = [after_busy_ms(lasted) for _ in range(ROUNDS)]
    return min(found), max(found)


def away(outage: Outage, seconds: float) -> None:
    """The database has been away for so long."""
    outage.failed(now=1000.0)
    for number in range(1, 11):
        outage.failed(now=1000.0 + seconds * number / 10)


@pytest.mark.parametrize(("seconds", "low", "high"), [(0, 50, 250), (1, 500, 1000), (6, 2500, 5000), (100, 2500, 5000)])
def test_it_grows_with_the_outage(healthy: Outage, seconds: float, low: int, high: int) -> None:
    """Up to five seconds; half of it is jitter."""
    away(healthy, seconds)
    shortest, longest = waits()
    assert low <= shortest < low + (high - low) / 4
    assert high - (high - low) / 4 < longest <= high


def test_one_success_ends_it(healthy: Outage) -> None:
    """Of a write, of a query, or of a look whether the server is ready."""
    for served in (lambda: unit_of_work(lambda: None), a_query, lambda: Client().get("/readyz")):
        away(healthy, 20)
        served()
        assert healthy.lasted() == 0
        assert waits()[1] <= 250


def a_query() -> None:
    with snapshot(), connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def test_a_failure_long_after_begins_anew(healthy: Outage) -> None:
    """Nobody has asked in between, so nobody knows."""
    healthy.failed(now=0.0)
    healthy.failed(now=FORGET_SECONDS + 1)
    assert healthy.lasted() == 0


def raised(sqlstate: str) -> DatabaseError:
    """The error that PostgreSQL raises with this SQLSTATE."""
    with pytest.raises(DatabaseError) as caught, connection.cursor() as cursor:
        cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{sqlstate}'; END $$")
    return caught.value


@pytest.mark.parametrize("sqlstate", ["40P01", "40001", "55P03", "57014"])
def test_trouble_with_a_row_is_no_outage(healthy: Outage, sqlstate: str) -> None:
    """A deadlock, a lock, a statement that takes too long: the next request may be served at once."""
    for _ in range(3):
        assert isinstance(refusal_for(raised(sqlstate)), Busy)
    assert healthy._span is None


@pytest.mark.parametrize("sqlstate", ["57P01", "57P03", "53300", "53100", "08006"])
def test_a_database_that_serves_nobody_is_one(healthy: Outage, sqlstate: str) -> None:
    """A shutdown, a start, no connection or disk left."""
    assert isinstance(refusal_for(raised(sqlstate)), Busy)
    assert healthy._span is not None


def test_a_connection_that_breaks_within_a_query_is_no_success(
    healthy: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GraphQL makes an error of it and goes on, so the snapshot ends without one."""
    away(healthy, 20)
    monkeypatch.setattr(healthy, "failed", lambda: None)
    with pytest.raises(Busy):
        break_within_a_snapshot()
    assert healthy.lasted() == 20


def break_within_a_snapshot() -> None:
    with snapshot(), suppress(DatabaseError), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        connection.connection.close()
        cursor.execute("SELECT 1")


def test_all_advice_agrees(healthy: Outage, monkeypatch: pytest.MonkeyPatch) -> None:
    """BUSY, OUTCOME_UNKNOWN, 503 and its Retry-After, /readyz."""
    away(healthy, 20)
    monkeypatch.setattr(healthy, "failed", lambda: None)
    lost = OperationalError()
    lost.__cause__ = psycopg.OperationalError("the connection is lost")
    for committing, kind in ((False, Busy), (True, OutcomeUnknown)):
        refusal = refusal_for(lost, committing=committing)
        assert isinstance(refusal, kind)
        assert 2500 <= refusal.after_ms <= 5000
    agrees(busy(Busy(after_ms=after_busy_ms())), 2500, 5000)
    monkeypatch.setattr("schema.server.health.connection.cursor", fails)
    assert Client().get("/readyz")["Retry-After"] in ("3", "4", "5")


def agrees(problem: Any, low: int, high: int) -> None:
    """What is in the header is what is in the body."""
    after_ms = problem.answer["errors"][0]["extensions"]["retry"]["afterMs"]
    assert low <= after_ms <= high
    assert int(problem.headers["Retry-After"]) == -(-after_ms // 1000)


def fails() -> Any:
    raise OperationalError from psycopg.OperationalError(json.dumps("the connection is lost"))
