"""What PostgreSQL's own checks cost: the limit's SQL with the tables as they are, and without some of their triggers."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import psycopg
from psycopg import sql

from bench.data import rows
from bench.limit import Limit
from bench.works import WORKS, Work

NAME = "constraints"
"""What the command line calls it."""
MEASURED = [work for work in WORKS if work.name in ("M1s", "M2", "M3", "M5")]

TABLES = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
PRESENCE = """
SELECT tgrelid::regclass::text, tgname FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
WHERE tgdeferrable AND NOT tgisinternal AND prosrc LIKE '%left_at%'
"""
"""The triggers that look at COMMIT whether the people of a row are still there."""

LOGS = """
SELECT tgrelid::regclass::text, tgname FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
WHERE NOT tgisinternal AND prosrc LIKE '%INSERT INTO changes_change%'
"""
"""The triggers that append to the change log."""

ALL, LOG = "all", "no change log"
KEYS, PEOPLE, GUARDS, DISK = "nor foreign keys", "nor that people are there", "nor guards", "nor the disk"
WAYS = (ALL, LOG, KEYS, PEOPLE, GUARDS, DISK)
"""Each leaves out one more: the change log; foreign keys, deferred as Django makes them; `PresenceGuard`; `VersionGuard` and
`RemovalGuard`; that a commit waits for the disk."""


@dataclass
class Checked:
    """A workload, and PostgreSQL's ms for each run of its SQL, by what is left out."""

    work: Work
    rounds: dict[str, list[float]] = field(default_factory=lambda: {way: [] for way in WAYS})

    def figures(self) -> dict[str, float]:
        """The medians of the rounds, per request."""
        return {way: statistics.median(found) / self.work.each for way, found in self.rounds.items()}


def measure(
    db: "psycopg.Connection[object]", works: Sequence[Work], limit: Callable[[Work], Limit | None], rounds: int
) -> Sequence[Checked]:
    """All rounds of these workloads in each way, interleaved. `limit` measures one."""
    found = [Checked(work) for work in works]
    for _ in range(rounds):
        for way in WAYS:
            leave_out(db, way)
            for one in found:
                measured = limit(one.work)
                assert measured is not None
                one.rounds[way].append(measured.postgres_ms)
    leave_out(db, ALL)
    return found


def leave_out(db: "psycopg.Connection[object]", way: str) -> None:
    """Let the tables be checked in this way, and no other, by whoever connects from now on."""
    left_out = WAYS.index(way)
    for (table,) in rows(db, TABLES):
        alter = partial(_alter, db, table)
        alter("ENABLE TRIGGER ALL")
        if left_out >= WAYS.index(KEYS):
            alter("DISABLE TRIGGER ALL")
            alter("ENABLE TRIGGER USER")
        if left_out >= WAYS.index(GUARDS):
            alter("DISABLE TRIGGER USER")
    for way_of, triggers in ((LOG, LOGS), (PEOPLE, PRESENCE)):
        if WAYS.index(way_of) <= left_out < WAYS.index(GUARDS):
            for table, trigger in rows(db, triggers):
                _alter(db, table, "DISABLE TRIGGER {}", trigger)
    waits = sql.SQL("off" if left_out >= WAYS.index(DISK) else "on")
    database = sql.Identifier(db.info.dbname)
    db.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = {}").format(database, waits))


def _alter(db: "psycopg.Connection[object]", table: str, change: str, *names: str) -> None:
    altered = sql.SQL(change).format(*map(sql.Identifier, names))
    db.execute(sql.SQL("ALTER TABLE {} {}").format(sql.Identifier(table), altered))
