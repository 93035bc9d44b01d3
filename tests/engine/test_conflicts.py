"""Advice on waiting grows with conflicts on the same thing, and fades; what is fought over most is remembered."""

import threading
from pathlib import Path

import orjson
import pytest

from backend.engine import conflicts
from backend.engine.conflicts import (
    FILES,
    FREQUENT,
    HALF_LIFE_SECONDS,
    MAX_RECENT_THINGS,
    MAX_WAIT_MS,
    STEP_MS,
    FrequentConflicts,
    RecentConflicts,
    most_frequent,
    retry_after_ms,
)
from tests.api import ApiClient
from tests.serving import PATIENCE_SECONDS, until


@pytest.fixture
def calm(monkeypatch: pytest.MonkeyPatch) -> RecentConflicts:
    """No conflicts so far."""
    fresh = RecentConflicts()
    monkeypatch.setattr(conflicts, "_recent", fresh)
    return fresh


def test_conflicts_on_one_thing_add_up_and_fade() -> None:
    """Half of what was counted is forgotten in each window."""
    seen = RecentConflicts()
    assert [seen.note("shelf", now=0.0) for _ in range(3)] == [1.0, 2.0, 3.0]
    assert seen.note("shelf", now=HALF_LIFE_SECONDS) == 2.5
    assert seen.note("shelf", now=1_000 * HALF_LIFE_SECONDS) == pytest.approx(1.0)


def test_things_do_not_share_conflicts() -> None:
    """A quiet thing is not made to wait for a busy one."""
    seen = RecentConflicts()
    for _ in range(10):
        seen.note("busy", now=0.0)
    assert seen.note("quiet", now=0.0) == 1.0


def test_memory_is_bounded() -> None:
    """However many things are fought over, only the latest are remembered."""
    seen = RecentConflicts()
    for thing in range(MAX_RECENT_THINGS + 50):
        seen.note(thing, now=0.0)
    assert len(seen._recent) == MAX_RECENT_THINGS
    assert seen.note(0, now=0.0) == 1.0
    assert seen.note(MAX_RECENT_THINGS, now=0.0) == 2.0


def test_no_conflict_is_lost_in_counting() -> None:
    """Threads that conflict at the same moment are all counted."""
    seen = RecentConflicts()
    threads = [threading.Thread(target=lambda: [seen.note("x", now=0.0) for _ in range(500)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen.note("x", now=0.0) == 4_001


def test_advice_grows_up_to_a_limit(calm: RecentConflicts) -> None:
    """The more others lost, the longer the wait, half of it chance, and never longer than the limit."""
    assert STEP_MS / 2 <= retry_after_ms("x") <= STEP_MS
    for _ in range(20):
        retry_after_ms("x")
    assert retry_after_ms("x") > STEP_MS
    for _ in range(200):
        retry_after_ms("x")
    assert MAX_WAIT_MS / 2 <= retry_after_ms("x") <= MAX_WAIT_MS


@pytest.mark.django_db(transaction=True)
def test_a_client_that_keeps_losing_is_told_to_wait_longer(calm: RecentConflicts, asha: ApiClient) -> None:
    """The advice in the answer is about the thing that was fought over."""
    asha.create_story("0")
    waits = [asha.create_story("0")["retry"]["afterMs"] for _ in range(20)]
    assert waits[0] <= STEP_MS < waits[-1]
    asha.update_profile({"name": "A."}, "1")
    assert asha.update_profile({"name": "B."}, "1")["retry"]["afterMs"] <= STEP_MS


# --- What is fought over most -------------------------------------------------------------------------------------


def test_counts_by_thing_and_fields() -> None:
    """The same thing and fields are one entry, whatever the order of the fields."""
    seen = FrequentConflicts()
    seen.note(("story", 1), ["title", "summary"])
    seen.note(("story", 1), ["summary", "title"])
    seen.note(("story", 1), [])
    assert [(one.keys, one.fields, one.conflicts) for one in seen.counts()] == [
        (("1",), ("summary", "title"), 2),
        (("1",), (), 1),
    ]


def test_what_is_frequent_stays() -> None:
    """Beyond its space the rarest goes, and no count is too low."""
    seen = FrequentConflicts(limit=10)
    for n in range(1_000):
        seen.note(("story", f"rare {n}"), [])
        seen.note(("story", "hot"), [])
    counts = {one.keys[0]: one.conflicts for one in seen.counts()}
    assert len(counts) == 10
    assert max(counts, key=lambda key: counts[key]) == "hot"
    assert counts["hot"] >= 1_000


def test_processes_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each writes a file within a second or so, and the most frequent come first."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    first, other = FrequentConflicts(), FrequentConflicts()
    for _ in range(3):
        first.note(("chapter", 7), ["body"])
    first.note(("story", 1), ["title"])
    until(lambda: bool(list(tmp_path.glob(FILES))), "the first has written")
    (written,) = tmp_path.glob(FILES)
    written.rename(tmp_path / "conflicts_1.json")
    other.note(("story", 1), ["title"])
    until(lambda: len(list(tmp_path.glob(FILES))) == 2, "the other has written")
    assert [(one.type, one.keys, one.conflicts) for one in most_frequent([tmp_path])] == [
        ("chapter", ("7",), 3),
        ("story", ("1",), 2),
    ]


def test_a_conflict_is_noted(asha: ApiClient) -> None:
    """With the fields that both set."""
    asha.update_profile({"name": "First"}, "1")
    assert asha.update_profile({"name": "Second"}, "1")["__typename"] == "ConflictError"
    (one,) = (one for one in FREQUENT.counts() if one.keys == (str(asha.person.pk),))
    assert (one.type, one.fields, one.conflicts) == ("person", ("name",), 1)


def test_nobody_waits_for_a_disk_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Conflicts go on being counted while the file is written, and what was counted meanwhile is written next."""
    begun, goes_on, written = threading.Event(), threading.Event(), list[bytes]()

    def write_bytes(_path: Path, content: bytes) -> None:
        begun.set()
        assert goes_on.wait(PATIENCE_SECONDS)
        written.append(content)

    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr(conflicts, "SECONDS_BETWEEN_WRITES", 0.0)
    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    monkeypatch.setattr(Path, "replace", lambda _path, _target: None)
    seen = FrequentConflicts()
    seen.note(("story", 1), ["title"])
    assert begun.wait(PATIENCE_SECONDS)
    other = threading.Thread(target=lambda: seen.note(("story", 1), ["title"]), daemon=True)
    other.start()
    other.join(PATIENCE_SECONDS / 4)
    held_up = other.is_alive()
    goes_on.set()
    assert not held_up
    until(lambda: len(written) == 2, "both counts are written")
    assert [orjson.loads(content)[0]["conflicts"] for content in written] == [1, 2]
