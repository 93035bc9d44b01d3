"""Ids made by the application: UUIDv7, ordered by time and never made twice."""

import threading
import time
import uuid

import pytest

from backend.engine.ids import uuid7


def test_an_id_is_a_uuid_of_version_seven() -> None:
    """As RFC 9562 lays it out: others may read the time from it."""
    before, made, after = time.time_ns() // 1_000_000, uuid7(), time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= after


def test_ids_are_ordered_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are made later come later, whatever chance adds."""
    moments = [1, 2, 1_700_000_000_000, 1_700_000_000_001, (1 << 48) - 1]
    made = []
    for moment in moments:
        monkeypatch.setattr(time, "time_ns", lambda moment=moment: moment * 1_000_000)
        made.append(uuid7())
    assert made == sorted(made)
    assert [one.int >> 80 for one in made] == moments


def test_ids_are_never_made_twice() -> None:
    """Eight threads that make ids in the same milliseconds make different ones."""
    made: list[list[uuid.UUID]] = [[] for _ in range(8)]
    threads = [threading.Thread(target=lambda own=own: own.extend(uuid7() for _ in range(5_000))) for own in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one for own in made for one in own}) == 40_000
