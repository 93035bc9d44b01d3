"""Advice on waiting grows with contention on the same thing, and fades."""

import threading

import pytest
from backend.engine.contention import MOST_MS, MOST_THINGS, STEP_MS, WINDOW_SECONDS, Contention, after_conflict_ms

from backend.engine import contention
from tests.api import Caller


@pytest.fixture
def calm(monkeypatch: pytest.MonkeyPatch) -> Contention:
    """No conflicts so far."""
    fresh = Contention()
    monkeypatch.setattr(contention, "_contention", fresh)
    return fresh


def test_conflicts_on_one_thing_add_up_and_fade() -> None:
    """Half of what was counted is forgotten in each window."""
    seen = Contention()
    assert [seen.note("shelf", now=0.0) for _ in range(3)] == [1.0, 2.0, 3.0]
    assert seen.note("shelf", now=WINDOW_SECONDS) == 2.5
    assert seen.note("shelf", now=1_000 * WINDOW_SECONDS) == pytest.approx(1.0)


def test_things_do_not_share_contention() -> None:
    """A quiet thing is not made to wait for a busy one."""
    seen = Contention()
    for _ in range(10):
        seen.note("busy", now=0.0)
    assert seen.note("quiet", now=0.0) == 1.0


def test_memory_is_bounded() -> None:
    """However many things are fought over, only the latest are remembered."""
    seen = Contention()
    for thing in range(MOST_THINGS + 50):
        seen.note(thing, now=0.0)
    assert len(seen._recent) == MOST_THINGS
    assert seen.note(0, now=0.0) == 1.0
    assert seen.note(MOST_THINGS, now=0.0) == 2.0


def test_no_conflict_is_lost_in_counting() -> None:
    """Threads that conflict at the same moment are all counted."""
    seen = Contention()
    threads = [threading.Thread(target=lambda: [seen.note("x", now=0.0) for _ in range(500)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen.note("x", now=0.0) == 4_001


def test_advice_grows_up_to_a_limit(calm: Contention) -> None:
    """The more others lost, the longer the wait, half of it chance, and never longer than the limit."""
    assert STEP_MS / 2 <= after_conflict_ms("x") <= STEP_MS
    for _ in range(20):
        after_conflict_ms("x")
    assert after_conflict_ms("x") > STEP_MS
    for _ in range(200):
        after_conflict_ms("x")
    assert MOST_MS / 2 <= after_conflict_ms("x") <= MOST_MS


@pytest.mark.django_db(transaction=True)
def test_a_client_that_keeps_losing_is_told_to_wait_longer(calm: Contention, asha: Caller) -> None:
    """The advice in the answer is about the thing that was fought over."""
    asha.create_story("0")
    waits = [asha.create_story("0")["retry"]["afterMs"] for _ in range(20)]
    assert waits[0] <= STEP_MS < waits[-1]
    asha.update_profile({"name": "A."}, "1")
    assert asha.update_profile({"name": "B."}, "1")["retry"]["afterMs"] <= STEP_MS
