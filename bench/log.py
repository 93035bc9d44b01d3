"""What the change log costs: requests with its triggers and without them, in turns, by the same processes on the same rows."""

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import psycopg

from bench.constraints import ALL, LOG, leave_out
from bench.report import Round
from bench.works import WORKS, Work

NAME = "log"
"""What the command line calls it."""
MEASURED = [replace(work, limit=None) for work in WORKS if work.name in ("M1h", "M2", "M3", "M5")]
TURNS, REQUESTS = 12, 120
"""Turns in each round, and the requests of a turn: short ones, so that a disturbance meets both ways alike."""
FEW_TURNS, FEW_REQUESTS = 2, 32
"""The same of a quick run."""


@dataclass
class Logged:
    """A workload, and what its requests took in each turn, without the log and with it."""

    work: Work
    without: list[Round] = field(default_factory=list)
    written: list[Round] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """Medians of the turns, in processor milliseconds of a request, and of the differences within a turn."""
        both = list(zip(self.without, self.written, strict=True))
        return {
            "without_server_ms": statistics.median(one.server_ms for one in self.without),
            "without_postgres_ms": statistics.median(one.postgres_ms for one in self.without),
            "server_ms": statistics.median(one.server_ms for one in self.written),
            "postgres_ms": statistics.median(one.postgres_ms for one in self.written),
            "more_postgres_us": 1_000 * statistics.median(log.postgres_ms - no.postgres_ms for no, log in both),
            "more_percent": 100 * statistics.median(_all(log) / _all(no) - 1 for no, log in both),
        }


def measure(
    db: "psycopg.Connection[object]", works: Sequence[Work], ask: Callable[[Work], Round], turns: int
) -> Sequence[Logged]:
    """So many turns of each workload. `ask` plays one, after some requests that are not measured."""
    found = [Logged(work) for work in works]
    for _ in range(turns):
        for one in found:
            ways = [(LOG, one.without), (ALL, one.written)]
            for way, rounds in random.sample(ways, len(ways)):
                leave_out(db, way)
                rounds.append(ask(one.work))
    if works:
        leave_out(db, ALL)
    return found


def _all(one: Round) -> float:
    return one.server_ms + one.postgres_ms
