"""Remembers conflicts by row: for the advice on when to retry, and for the list of the most frequent ones.

A refusal leaves nothing in the database, so each process remembers its own conflicts in memory. That is enough for the
advice: with several processes as many writers have their turn at once, and one of them succeeds. The most frequent conflicts
are also written, at most once a second, to a file next to the process's metrics; a reader adds up the files of all processes.
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

SHORTEST_TURN_SECONDS = 0.005
LONGEST_TURN_SECONDS = 0.5
UNWRITTEN, OVERTAKEN, WRITTEN = 1.25, 1.1, 0.9
"""The factors for the turn after one in which nobody wrote, one in which another than whose turn it was did, and any other."""
TURNS_APART = 5.0
"""How many turns lie between those who are told to come; more than one, because many write several times in a row."""
MAX_WAIT_SECONDS = 5.0
HALF_LIFE_SECONDS = 1.0
MAX_RECENT_THINGS = 10_000


@dataclass(slots=True)
class _Turn:
    """Whose turn it is at one row; times are of the monotonic clock, in seconds."""

    seconds: float = SHORTEST_TURN_SECONDS
    """How long a turn is."""
    version: int | None = None
    """The version that was told to the one whose turn it is."""
    overtaken: bool = False
    """Whether they have been refused again, because another wrote first."""
    ends: float = -math.inf
    queue: float = -math.inf
    """For when the last of those who wait was told to come."""


class Turns:
    """Tells writers who collide at a row to take turns. Keeps at most `MAX_RECENT_THINGS` rows.

    A version ages while its owner waits, so whoever has waited is refused once more before they can write. Waiting longer
    is no remedy, then; what helps is that one is told to go at once, and that nobody else comes meanwhile. So the first who
    is refused while it is nobody's turn has the turn, and each of the others is told to come some turns after the last.

    A turn should be as long as it takes to write: from the answer with the version to the commit. That depends on the
    machine, its load and the network, and the refusals tell it: if the version is still the same when a turn is over, or
    whoever had the turn was overtaken, it was too short; otherwise it may be shorter. When nobody has been waiting for a
    while, this is forgotten.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: OrderedDict[Hashable, _Turn] = OrderedDict()

    def wait(self, thing: Hashable, known: int, version: int, *, now: float | None = None) -> float:
        """How many seconds somebody should wait who was refused at `thing`, knowing one version, and is told the present one."""
        now = time.monotonic() if now is None else now
        with self._lock:
            turn = self._turns.pop(thing, None) or _Turn()
            self._turns[thing] = turn
            while len(self._turns) > MAX_RECENT_THINGS:
                self._turns.popitem(last=False)
            turn.overtaken |= known == turn.version != version
            return self._begin(turn, version, now) if now >= turn.ends else self._join(turn, now)

    def _begin(self, turn: _Turn, version: int, now: float) -> float:
        factor = UNWRITTEN if version == turn.version else OVERTAKEN if turn.overtaken else WRITTEN
        calm = max(0.0, now - max(turn.ends, turn.queue))
        seconds = turn.seconds * factor * math.pow(0.5, calm / HALF_LIFE_SECONDS)
        turn.seconds = min(LONGEST_TURN_SECONDS, max(SHORTEST_TURN_SECONDS, seconds))
        turn.version, turn.overtaken, turn.ends = version, False, now + turn.seconds
        return 0.0

    def _join(self, turn: _Turn, now: float) -> float:
        turn.queue = max(turn.queue, turn.ends) + TURNS_APART * turn.seconds
        if turn.queue - now > MAX_WAIT_SECONDS:  # too many to wait for each of them: they come at random
            turn.queue = now + MAX_WAIT_SECONDS
            return random.uniform(MAX_WAIT_SECONDS / 2, MAX_WAIT_SECONDS)
        return turn.queue - now - random.uniform(0, turn.seconds / 2)  # so that several processes do not fall into step


_turns = Turns()


def retry_after_ms(thing: Hashable, known: int, version: int) -> int:
    """`Turns.wait` of this process, in milliseconds."""
    return max(1, round(1_000 * _turns.wait(thing, known, version)))


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
