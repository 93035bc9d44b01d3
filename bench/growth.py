"""How what a read costs grows with the data: on tables of a thousand to a million rows."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
from psycopg import sql

from bench.account import end_with_parent
from bench.data import ROOT, Database, environment, manage
from bench.scripts import Wrong

NAME = "growth"
SIZES = (1_000, 10_000, 100_000, 1_000_000)
QUICK = SIZES[:2]
"""How many stories, and how many followers, there are."""


@dataclass(frozen=True)
class Point:
    """What one query costs PostgreSQL where there are so many rows."""

    query: str
    rows: int
    buffers: int
    """Pages of shared memory that it touches."""
    postgres_ms: float
    """Processor time of the backend, for each run of the prepared statement."""


def measure(database: Database, sizes: Sequence[int], log: Path) -> list[Point]:
    """Fill a database of its own, and measure in a process of its own. Raises `Wrong`."""
    with database.connect("postgres") as db:
        db.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(NAME)))
        db.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))
    manage(database, NAME, "migrate", "--verbosity", "0")
    with log.open("wb") as said:
        done = subprocess.run(
            [sys.executable, "-m", "bench.grow", *map(str, sizes)],
            cwd=ROOT,
            env=environment(database, NAME),
            stdout=subprocess.PIPE,
            stderr=said,
            check=False,
            preexec_fn=end_with_parent,
        )
    if done.returncode:
        raise Wrong(f"the growth could not be measured; {log} says why")
    with database.connect("postgres") as db:
        db.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(NAME)))
    return [Point(**orjson.loads(line)) for line in done.stdout.splitlines()]
