"""Watches the round trips of this thread's pipeline as they are, and puts a statement that fails into one of them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from backend.engine import pipeline
from backend.engine.pipeline import Sent, Statement

RAISE = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{}', CONSTRAINT = 'of_a_test'; END $$"
VIOLATION, DEADLOCK = (RAISE.format(code).encode() for code in ("unique_violation", "deadlock_detected"))
LOSS = b"SELECT pg_terminate_backend(pg_backend_pid())"


@dataclass(frozen=True)
class Trip:
    """How many statements were sent together, and what with."""

    size: int
    in_unit: bool
    commits: bool


@dataclass
class Trips:
    """Those that were made, and what was to be sent with a failing statement after it."""

    made: list[Trip] = field(default_factory=list)
    struck: bool = False
    before: list[Sent] = field(default_factory=list)
    after: list[Sent] = field(default_factory=list)


@contextmanager
def watched() -> Iterator[Trips]:
    """Collect the trips."""
    with struck_at(None, 0, b"") as trips:
        yield trips


@contextmanager
def before_trip(number: int, act: Callable[[], Any]) -> Iterator[Trips]:
    """Do `act` when all that trip `number` (from 0) is to carry is ready to be sent, once."""
    trips, send = Trips(), pipeline._Trip._send

    def waited(trip: Any, waiting: Sequence[Sent], *, commits: bool) -> Any:
        trips.made.append(Trip(len(waiting), not trip._raw.autocommit, commits))
        if len(trips.made) == number + 1:
            trips.struck = True
            act()
        return send(trip, waiting, commits=commits)

    with patch.object(pipeline._Trip, "_send", waited):
        yield trips


@contextmanager
def struck_at(number: int | None, place: int, sql: bytes) -> Iterator[Trips]:
    """Send `sql` with trip `number` (from 0) before the statement that has this place in it, once."""
    trips, send = Trips(), pipeline._Trip._send

    def struck(trip: Any, waiting: Sequence[Sent], *, commits: bool) -> Any:
        if len(trips.made) == number:
            trips.struck = True
            trips.before, trips.after = list(waiting[:place]), list(waiting[place:])
            waiting = [*trips.before, Sent(Statement(sql, b""), []), *trips.after]
        trips.made.append(Trip(len(waiting), not trip._raw.autocommit, commits))
        return send(trip, waiting, commits=commits)

    with patch.object(pipeline._Trip, "_send", struck):
        yield trips
