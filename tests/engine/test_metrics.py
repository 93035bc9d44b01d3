"""What PostgreSQL breaks off is counted for each attempt, by operation and cause."""

import pytest
from django.db import connection

from backend.engine import committed, transactions
from backend.engine.errors import Busy
from backend.engine.metrics import REGISTRY, operation
from backend.engine.transactions import MAX_ATTEMPTS, unit_of_work

pytestmark = pytest.mark.django_db(transaction=True)

DEADLOCK, SERIALIZATION_FAILURE, LOCK_TIMEOUT = "40P01", "40001", "55P03"
NAMES = ("katha_deadlocks_total", "katha_serialization_failures_total", "katha_lock_timeouts_total")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow at once."""
    monkeypatch.setattr(transactions, "_pause", lambda *_: None)


def break_off(sqlstate: str, *, times: int) -> None:
    """A unit of work that PostgreSQL breaks off so often before it lets it through."""
    left = [sqlstate] * times

    def work() -> None:
        if left:
            with connection.cursor() as cursor:
                cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{left.pop()}'; END $$")

    unit_of_work(work)


def counted(name: str) -> tuple[float, ...]:
    """Deadlocks, serialization failures, lock time-outs; then re-runs by the first two."""
    found = [REGISTRY.get_sample_value(metric, {"operation": name}) for metric in NAMES]
    for cause in ("deadlock", "serialization_failure"):
        found.append(REGISTRY.get_sample_value("katha_reruns_total", {"operation": name, "cause": cause}))
    return tuple(one or 0 for one in found)


def test_what_is_run_again_is_counted_by_cause() -> None:
    """Each attempt that was broken off, and that another one followed."""
    with operation("first"):
        break_off(DEADLOCK, times=1)
        break_off(SERIALIZATION_FAILURE, times=2)
    assert counted("first") == (1, 2, 0, 1, 2)


def test_the_last_attempt_is_not_run_again() -> None:
    """It is broken off as the others were, and then the client is told."""
    with operation("second"), pytest.raises(Busy):
        break_off(SERIALIZATION_FAILURE, times=MAX_ATTEMPTS)
    assert counted("second") == (0, MAX_ATTEMPTS, 0, 0, MAX_ATTEMPTS - 1)


def test_a_lock_that_is_not_had_in_time_is_counted() -> None:
    """It is not run again: it has waited long enough."""
    with operation("third"), pytest.raises(Busy):
        break_off(LOCK_TIMEOUT, times=1)
    assert counted("third") == (0, 0, 1, 0, 0)


def test_what_belongs_to_no_operation_is_other() -> None:
    """A command, a script."""
    before = counted("other")
    break_off(DEADLOCK, times=1)
    assert counted("other") == (before[0] + 1, *before[1:3], before[3] + 1, before[4])


def test_it_is_known_whether_something_was_committed() -> None:
    """So that a fault after the commit is not taken for a write that did not happen."""
    committed.begin()
    with pytest.raises(LookupError):
        unit_of_work(lambda: {}["nothing"])
    assert not committed.has_committed()
    unit_of_work(lambda: None)
    assert committed.has_committed()
    committed.begin()
    assert not committed.has_committed()


def test_what_is_committed_apart_is_no_part_of_the_mutation() -> None:
    """An attempt to sign in is counted whatever becomes of it, and must not make a refusal look like a write."""
    committed.begin()
    with committed.apart():
        unit_of_work(lambda: None)
        assert committed.has_committed()
    assert not committed.has_committed()
