"""Counts conflicts by row: for the advice on when to retry, and for the list of the most frequent ones.

A refusal leaves nothing in the database, so each process counts its own conflicts in memory. That is enough for the
advice, because requests for one row spread evenly over the processes. The most frequent conflicts are also written, at
most once a second, to a file next to the process's metrics; a reader adds up the files of all processes.
"""

import math
import os
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

# --- When to retry ------------------------------------------------------------------------------------------------

HALF_LIFE_SECONDS = 5.0
STEP_MS = 25
MAX_WAIT_MS = 2_000
MAX_RECENT_THINGS = 10_000


class RecentConflicts:
    """Recent conflicts by row, decaying with a half-life. Keeps at most `MAX_RECENT_THINGS` rows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def note(self, thing: Hashable, *, now: float | None = None) -> float:
        """Count one more conflict on `thing`. Returns its decayed count: it halves with each half-life."""
        now = time.monotonic() if now is None else now
        with self._lock:
            count, seen = self._recent.pop(thing, (0.0, now))
            count = 1.0 + count * math.pow(0.5, (now - seen) / HALF_LIFE_SECONDS)
            self._recent[thing] = (count, now)
            while len(self._recent) > MAX_RECENT_THINGS:
                self._recent.popitem(last=False)
        return count


_recent = RecentConflicts()


def retry_after_ms(thing: Hashable) -> int:
    """Count a conflict on `thing`, and return how many milliseconds the client should wait before a retry.

    Grows with recent conflicts, because a retry storm grows with the square of the number of writers. Half of it is
    jitter, so that clients which collided do not retry at the same moment.
    """
    longest = min(MAX_WAIT_MS, STEP_MS * _recent.note(thing))
    return round(random.uniform(longest / 2, longest))


# --- The most frequent conflicts -----------------------------------------------------------------------------------

MAX_FREQUENT_THINGS = 200
SECONDS_BETWEEN_WRITES = 1.0
FILES = "conflicts_*.json"


@dataclass(frozen=True)
class ConflictCount:
    """Conflicts on one row: its type, its keys, the fields, how many, and when the last was (Unix time in seconds)."""

    type: str
    keys: tuple[str, ...]
    fields: tuple[str, ...]
    conflicts: int
    last_at: float


Key = tuple[str, tuple[str, ...], tuple[str, ...]]


class FrequentConflicts:
    """A bounded set of counters by the Space-Saving algorithm (Metwally, Agrawal, El Abbadi 2005).

    A new row replaces the one with the lowest count and continues from that count. So frequent rows stay, and a count
    may be too high but never too low.
    """

    def __init__(self, limit: int = MAX_FREQUENT_THINGS) -> None:
        self._limit = limit
        self._counts: dict[Key, tuple[int, float]] = {}
        self._lock = threading.Lock()
        self._writer: threading.Timer | None = None
        """Writes the counters soon, or is writing them now."""
        self._unwritten = False

    def note(self, thing: Sequence[Any], fields: Iterable[str]) -> None:
        """Count one conflict on a row, named by its type and keys."""
        key = (str(thing[0]), tuple(map(str, thing[1:])), tuple(sorted(fields)))
        with self._lock:
            count = self._counts.pop(key, (0, 0.0))[0]
            if not count and len(self._counts) >= self._limit:
                rarest = min(self._counts, key=lambda one: self._counts[one])
                count = self._counts.pop(rarest)[0]
            self._counts[key] = (count + 1, time.time())
            self._unwritten = True
            if self._writer is None:
                self._write_soon()

    def counts(self) -> list[ConflictCount]:
        """All counters."""
        with self._lock:
            return self._now()

    def _now(self) -> list[ConflictCount]:
        return [ConflictCount(*key, *value) for key, value in self._counts.items()]

    def _write_soon(self) -> None:
        """Start the writer, if there is a folder to write to and something to write. The lock is held."""
        folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        self._writer = None
        if folder and self._unwritten:
            self._writer = threading.Timer(SECONDS_BETWEEN_WRITES, self._write, [Path(folder)])
            self._writer.daemon = True
            self._writer.start()

    def _write(self, folder: Path) -> None:
        """Write the counters to the file. Without the lock, so that no request waits for the disk; there is one writer."""
        with self._lock:
            counts, self._unwritten = self._now(), False
        written = folder / f"conflicts_{os.getpid()}.json"
        fresh = written.with_suffix(".new")
        try:
            fresh.write_bytes(orjson.dumps(counts))
            fresh.replace(written)
        finally:
            with self._lock:
                self._write_soon()  # what was counted meanwhile


FREQUENT: Final = FrequentConflicts()
"""Those of this process."""


def most_frequent(folders: Iterable[Path]) -> list[ConflictCount]:
    """The conflicts of this process and of all that write to these folders, most frequent first."""
    added: dict[Key, tuple[int, float]] = {}
    mine = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    for one in (*([] if mine else FREQUENT.counts()), *(one for folder in folders for one in _written(folder))):
        key = (one.type, one.keys, one.fields)
        count, last_at = added.get(key, (0, 0.0))
        added[key] = (count + one.conflicts, max(last_at, one.last_at))
    found = (ConflictCount(*key, *value) for key, value in added.items())
    return sorted(found, key=lambda one: (-one.conflicts, -one.last_at))


def _written(folder: Path) -> Iterator[ConflictCount]:
    for file in folder.glob(FILES):
        for one in orjson.loads(file.read_bytes()):
            yield ConflictCount(one["type"], tuple(one["keys"]), tuple(one["fields"]), one["conflicts"], one["last_at"])
