"""Those who collide are told to take turns; what is fought over most is remembered."""

import heapq
import itertools
import threading
from pathlib import Path

import orjson
import pytest

from backend.engine import conflicts
from backend.engine.conflicts import (
    FILES,
    FREQUENT,
    HALF_LIFE_SECONDS,
    LONGEST_TURN_SECONDS,
    MAX_RECENT_THINGS,
    MAX_WAIT_SECONDS,
    OVERTAKEN,
    SHORTEST_TURN_SECONDS,
    TURNS_APART,
    FrequentConflicts,
    Turns,
    most_frequent,
)
from tests.api import ApiClient
from tests.serving import PATIENCE_SECONDS, until


@pytest.fixture
def calm(monkeypatch: pytest.MonkeyPatch) -> Turns:
    """No conflicts so far."""
    fresh = Turns()
    monkeypatch.setattr(conflicts, "_turns", fresh)
    return fresh


def turn_seconds(turns: Turns, thing: str = "x") -> float:
    """How long a turn at this thing is at present."""
    return turns._turns[thing].seconds


def test_one_goes_at_once_and_the_others_come_one_after_the_other() -> None:
    """Each of them at a time of their own, in the order in which they were refused."""
    turns = Turns()
    first, *others = [turns.wait("x", 1, 2, now=0.0) for _ in range(20)]
    assert first == 0.0
    assert others == sorted(others)
    assert others[0] > SHORTEST_TURN_SECONDS
    gaps = [later - earlier for earlier, later in itertools.pairwise(others)]
    assert all(gap == pytest.approx(TURNS_APART * SHORTEST_TURN_SECONDS, abs=SHORTEST_TURN_SECONDS / 2) for gap in gaps)


def test_whoever_comes_after_a_turn_has_the_next() -> None:
    """Although others wait: a version that is known for long is of no use to them."""
    turns = Turns()
    for _ in range(5):
        turns.wait("x", 1, 2, now=0.0)
    assert turns.wait("x", 2, 3, now=SHORTEST_TURN_SECONDS) == 0.0
    assert turns.wait("x", 2, 3, now=SHORTEST_TURN_SECONDS) > 0.0


def test_a_turn_in_which_nobody_could_write_makes_the_next_longer() -> None:
    """Up to a limit; turns in which somebody wrote make it shorter, down to the shortest."""
    turns, now = Turns(), 0.0
    found = []
    for _ in range(60):
        assert turns.wait("x", 1, 2, now=now) == 0.0
        found.append(turn_seconds(turns))
        now += found[-1]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (SHORTEST_TURN_SECONDS, LONGEST_TURN_SECONDS)
    for version in range(3, 100):
        turns.wait("x", 1, version, now=now)
        now += turn_seconds(turns)
    assert turn_seconds(turns) == SHORTEST_TURN_SECONDS


def test_whoever_was_overtaken_makes_the_next_turn_longer() -> None:
    """They were told version 2, and are refused at version 3: somebody else wrote in their turn."""
    turns = Turns()
    turns.wait("x", 1, 2, now=0.0)
    assert turns.wait("x", 2, 3, now=SHORTEST_TURN_SECONDS) == 0.0
    assert turn_seconds(turns) == pytest.approx(OVERTAKEN * SHORTEST_TURN_SECONDS)
    turns.wait("x", 2, 4, now=1.0)  # knows what nobody was told in this turn
    assert turn_seconds(turns) == SHORTEST_TURN_SECONDS


def test_when_the_crowd_has_gone_nobody_waits_for_it() -> None:
    """A single conflict is told to go at once, and a second one beside it waits as if there had been no crowd."""
    turns, now = Turns(), 0.0
    for _ in range(300):
        turns.wait("x", 1, 2, now=now)
        now += 0.01
    assert turn_seconds(turns) > 10 * SHORTEST_TURN_SECONDS
    later = now + MAX_WAIT_SECONDS + 10 * HALF_LIFE_SECONDS
    assert turns.wait("x", 2, 3, now=later) == 0.0
    assert turns.wait("x", 2, 3, now=later) <= (1 + TURNS_APART) * SHORTEST_TURN_SECONDS


def test_nobody_waits_longer_than_the_limit() -> None:
    """However many there are; those for whom there is no place come at random."""
    turns = Turns()
    waits = [turns.wait("x", 1, 2, now=0.0) for _ in range(5_000)]
    assert max(waits) <= MAX_WAIT_SECONDS
    assert min(waits[-1_000:]) >= MAX_WAIT_SECONDS / 2
    assert len(set(waits[-1_000:])) > 900


def test_things_do_not_share_turns() -> None:
    """A quiet thing is not made to wait for a busy one."""
    turns = Turns()
    for _ in range(10):
        turns.wait("busy", 1, 2, now=0.0)
    assert turns.wait("quiet", 1, 2, now=0.0) == 0.0


def test_memory_is_bounded() -> None:
    """However many things are fought over, only the latest are remembered."""
    turns = Turns()
    for thing in range(MAX_RECENT_THINGS + 50):
        turns.wait(thing, 1, 2, now=0.0)
    assert len(turns._turns) == MAX_RECENT_THINGS
    assert turns.wait(MAX_RECENT_THINGS, 1, 2, now=0.0) > 0.0
    assert turns.wait(0, 1, 2, now=0.0) == 0.0


def test_only_one_of_many_at_the_same_moment_has_the_turn() -> None:
    """Also where threads ask at once."""
    turns, waits = Turns(), list[float]()
    threads = [
        threading.Thread(target=lambda: waits.extend(turns.wait("x", 1, 2, now=0.0) for _ in range(500)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(waits), waits.count(0.0)) == (4_000, 1)


def test_a_crowd_takes_turns() -> None:
    """Simulated: 32 writers, and a write takes 20 ms. If all retried at once, each would need 16 attempts on average."""
    turns, version, attempts = Turns(), 1, 0
    events = [(0.001 * writer, writer, 1) for writer in range(32)]
    last_write = 0.0
    while events:
        now, writer, known = heapq.heappop(events)
        attempts += 1
        if known == version:
            version, last_write = version + 1, now
        else:
            heapq.heappush(events, (now + turns.wait("x", known, version, now=now) + 0.02, writer, version))
    assert version == 33
    assert attempts <= 5 * 32
    assert last_write < 32 * 0.2


@pytest.mark.django_db(transaction=True)
def test_the_advice_is_about_the_thing_that_was_fought_over(calm: Turns, asha: ApiClient) -> None:
    """The first is told to come at once, the others later; and never that there is nothing to wait for."""
    asha.create_story("0")
    waits = [asha.create_story("0")["retry"]["afterMs"] for _ in range(20)]
    assert waits[0] == 1
    assert max(waits) > 1
    asha.update_profile({"name": "A."}, "1")
    assert asha.update_profile({"name": "B."}, "1")["retry"]["afterMs"] == 1


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


def test_a_conflict_is_noted(asha: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the fields that both set."""
    monkeypatch.setattr(FREQUENT, "_counts", {})  # where it is full a new row goes on from the count that it replaces
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
