"""What is fought over most: the things and fields of conflicts, counted in each process, in little space.

A refusal leaves no trace in the database, so these counts are in memory and, at most once a second, in a file beside the
metrics of the process; whoever looks adds the files up.
"""

import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

MOST_THINGS = 200
SECONDS_BETWEEN_WRITES = 1.0
FILES = "heat_*.json"


@dataclass(frozen=True)
class Hot:
    """One thing that was fought over: its type, its keys, the fields, how often, and the last time."""

    type: str
    keys: tuple[str, ...]
    fields: tuple[str, ...]
    conflicts: int
    last_at: float


Key = tuple[str, tuple[str, ...], tuple[str, ...]]


class Heat:
    """Space-saving counts (Metwally, Agrawal, El Abbadi 2005): of all that is counted only so many are remembered.

    One that is new takes the place of the rarest and goes on from its count: what is frequent stays, and no count is ever
    too low.
    """

    def __init__(self, most: int = MOST_THINGS) -> None:
        self._most = most
        self._counts: dict[Key, tuple[int, float]] = {}
        self._lock = threading.Lock()
        self._writes_soon = False

    def note(self, thing: Sequence[Any], fields: Iterable[str]) -> None:
        """Count one conflict on a thing, named by its type and keys."""
        key = (str(thing[0]), tuple(map(str, thing[1:])), tuple(sorted(fields)))
        with self._lock:
            count = self._counts.pop(key, (0, 0.0))[0]
            if not count and len(self._counts) >= self._most:
                rarest = min(self._counts, key=lambda one: self._counts[one])
                count = self._counts.pop(rarest)[0]
            self._counts[key] = (count + 1, time.time())
            folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
            if folder and not self._writes_soon:
                self._writes_soon = True
                soon = threading.Timer(SECONDS_BETWEEN_WRITES, self._write, [Path(folder)])
                soon.daemon = True
                soon.start()

    def now(self) -> list[Hot]:
        """What is remembered."""
        with self._lock:
            return self._now()

    def _now(self) -> list[Hot]:
        return [Hot(*key, *value) for key, value in self._counts.items()]

    def _write(self, folder: Path) -> None:
        written = folder / f"heat_{os.getpid()}.json"
        fresh = written.with_suffix(".new")
        with self._lock:
            self._writes_soon = False
            fresh.write_bytes(orjson.dumps(self._now()))
            fresh.replace(written)


HEAT: Final = Heat()
"""Of this process."""


def hottest(folders: Iterable[Path]) -> list[Hot]:
    """What was fought over in all processes that share one of these folders, and in this one; the most fought over first."""
    added: dict[Key, tuple[int, float]] = {}
    mine = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    for hot in (*([] if mine else HEAT.now()), *(one for folder in folders for one in _written(folder))):
        key = (hot.type, hot.keys, hot.fields)
        count, last_at = added.get(key, (0, 0.0))
        added[key] = (count + hot.conflicts, max(last_at, hot.last_at))
    found = (Hot(*key, *value) for key, value in added.items())
    return sorted(found, key=lambda hot: (-hot.conflicts, -hot.last_at))


def _written(folder: Path) -> Iterator[Hot]:
    for file in folder.glob(FILES):
        for one in orjson.loads(file.read_bytes()):
            yield Hot(one["type"], tuple(one["keys"]), tuple(one["fields"]), one["conflicts"], one["last_at"])
