"""Whatever PostgreSQL keeps from being served leaves a line and a count, and none of them is lost where many come at once."""

import json
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction

from backend.engine.errors import Busy
from backend.engine.metrics import REGISTRY, operation
from backend.engine.transactions import unit_of_work
from tests.api import ApiClient, join
from tests.logged import Logged
from tests.races.rivals import race
from tests.races.rows import query

pytestmark = pytest.mark.django_db(transaction=True)

MARK = "words-of-somebody"
WRITERS, READERS, READS = 8, 6, 10


def value(metric: str, **labels: str) -> float:
    """What a metric says."""
    return REGISTRY.get_sample_value(metric, labels) or 0


def hurried(work: Callable[[], Any]) -> Callable[[], Any]:
    """The work on a connection that waits for no lock for long."""

    def hurry() -> Any:
        query("SELECT set_config('lock_timeout', '50ms', false)")
        return work()

    return hurry


def lock(table: str) -> None:
    """As somebody in psql may."""
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")


def test_each_write_that_waited_in_vain_is_a_line_and_a_count(logged: Logged) -> None:
    """Of a table that somebody has locked: which mutation, whose, why."""
    callers = [join(f"{MARK[:20]}{number}") for number in range(WRITERS)]
    author = callers[0]
    refusals = {"operation": "follow", "code": "BUSY"}
    before = value("katha_refusals_total", **refusals), value("katha_lock_timeouts_total", operation="follow")
    with transaction.atomic():
        lock("social_relationship")
        answers = race([hurried(lambda one=one: one.follow(author)) for one in callers[1:]])
    assert {answer["code"] for answer in answers} == {"BUSY"}
    assert logged.counts("event", "mutation", "sqlstate", "cause", "url") == {
        ("busy", "follow", "55P03", "a lock was not to be had in time", "/graphql"): WRITERS - 1
    }
    assert {line["viewer"] for line in logged.lines()} <= {str(one.person.pk) for one in callers[1:]}
    assert MARK[:20] not in json.dumps(logged.lines())
    after = value("katha_refusals_total", **refusals), value("katha_lock_timeouts_total", operation="follow")
    assert (after[0] - before[0], after[1] - before[1]) == (WRITERS - 1, WRITERS - 1)


def test_each_query_that_waited_in_vain_is_a_line_and_a_count(logged: Logged) -> None:
    """Though its answer has the status 200; the lines are few, and add up."""
    callers = [join(f"reader{number}") for number in range(READERS)]
    before = value("katha_queries_total", code="BUSY")

    def read(caller: ApiClient) -> list[str]:
        answers = [caller.post("query Mine { viewer { handle } }") for _ in range(READS)]
        return [answer["errors"][0]["extensions"]["code"] for answer in answers]

    with transaction.atomic():
        lock("people_accesstoken")
        heard = race([hurried(lambda one=one: read(one)) for one in callers])
    assert heard == [["BUSY"] * READS] * READERS
    assert value("katha_queries_total", code="BUSY") - before == READERS * READS
    assert logged.counts("event", "code", "sqlstate") == {("busy", "BUSY", "55P03"): READERS * READS}
    assert len(logged.lines()) < READERS * READS / 2
    assert {line["operation"] for line in logged.lines()} == {"Mine"}


@pytest.mark.parametrize("times", [1, 3])
def test_each_deadlock_that_is_run_again_is_a_line_and_a_count(logged: Logged, times: int) -> None:
    """Two who lock the same things in opposite order: both are served in the end, and nobody else hears of it."""
    before = value("katha_reruns_total", operation="crossing", cause="deadlock")
    for _ in range(times):
        meet = threading.Barrier(2)
        race([partial(crossing, pair, meet) for pair in ((1, 2), (2, 1))])
    reruns = value("katha_reruns_total", operation="crossing", cause="deadlock") - before
    assert reruns >= times
    assert logged.counts("event", "level", "sqlstate", "cause") == {
        ("transaction run again", "warning", "40P01", "deadlock"): reruns
    }


def crossing(pair: tuple[int, int], meet: threading.Barrier) -> None:
    """Lock two things, the second once the other one has its first; then it is alone."""

    def work() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [pair[0]])
            if not met:
                met.append(True)
                meet.wait(60)
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [pair[1]])

    met: list[bool] = []
    with operation("crossing"):
        unit_of_work(work)


def test_a_transaction_is_timed_by_itself(asha: ApiClient) -> None:
    """Each attempt and each query once; of one that hashes a password, both transactions."""
    names = ("updateProfile", "query", "limit", "signIn")

    def counts() -> list[float]:
        return [value("katha_transaction_seconds_count", operation=name) for name in names]

    before = counts()
    asha.update_profile({"name": MARK}, "1")
    asha.ask("{ viewer { name } }")
    asha.post('mutation { signIn(handle: "asha", password: "wrong, and not short") { __typename } }')
    assert [now - then for now, then in zip(counts(), before, strict=True)] == [1, 1, 1, 0]
    assert value("katha_mutation_seconds_count", operation="signIn") > 0


def test_each_attempt_is_timed() -> None:
    """What an attempt that was broken off has taken, and the pause after it, are not in the next one."""
    left = ["40P01"]

    def work() -> None:
        if left:
            with connection.cursor() as cursor:
                cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{left.pop()}'; END $$")

    before = value("katha_transaction_seconds_count", operation="twice")
    with operation("twice"):
        unit_of_work(work)
    assert value("katha_transaction_seconds_count", operation="twice") - before == 2


def test_what_others_have_overtaken_says_so(logged: Logged, asha: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A BUSY in which the database has no part has a cause as well."""

    def overtaken(*_args: object, **_options: object) -> Any:
        raise Busy(after_ms=1)

    monkeypatch.setattr("resolvers.people.actions.update_profile", overtaken)
    asha.update_profile({"name": MARK}, "1")
    (line,) = logged.lines()
    assert (line["event"], line["mutation"], "sqlstate" in line) == ("busy", "updateProfile", False)
    assert line["cause"].startswith("what others wrote")
    assert MARK not in json.dumps(line)
