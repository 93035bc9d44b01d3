"""The limit: pgbench runs hand-written SQL for a workload, instead of the server, on the same rows."""

import os
import re
import resource
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from backend.embedded import ROLE
from backend.embedded.data_folder import binaries
from bench.account import end_with_parent
from bench.data import COPY, Database
from bench.scripts import Wrong

FOLDER = Path(__file__).parent / "sql"


@dataclass(frozen=True)
class Limit:
    """The result of one measurement by pgbench, per run of the SQL."""

    per_second: float
    postgres_ms: float
    pgbench_ms: float


def sql_of(name: str, variables: Mapping[str, object]) -> Iterator[str]:
    """The statements of an SQL file with these variables, in psycopg's format."""
    lines = [line for line in (FOLDER / f"{name}.sql").read_text().splitlines() if not line.startswith(("\\", "--"))]
    for statement in "\n".join(lines).split(";"):
        if statement.strip():
            named = "|".join(variables)
            yield re.sub(rf"(?<!:):({named})\b", r"%(\1)s", statement.replace("%", "%%"))


def measure(
    database: Database,
    name: str,
    variables: Mapping[str, object],
    *,
    clients: int,
    runs: int,
    core: int,
    postgres_seconds: Callable[[], float],
) -> Limit:
    """Run the SQL so many times. The cost of the first runs on new connections is measured separately and subtracted."""
    first, _ = _run(database, name, {**variables, "from": 0}, clients, 4, core, postgres_seconds)
    each = max(5, runs // clients)
    whole, per_second = _run(database, name, {**variables, "from": 4 * clients}, clients, each, core, postgres_seconds)
    more = (each - 4) * clients
    return Limit(
        per_second, *(1_000 * (of_whole - of_first) / more for of_whole, of_first in zip(whole, first, strict=True))
    )


def _run(
    database: Database,
    name: str,
    variables: Mapping[str, object],
    clients: int,
    each: int,
    core: int,
    postgres_seconds: Callable[[], float],
) -> tuple[tuple[float, float], float]:
    """Processor seconds of PostgreSQL and of pgbench, and runs per second."""
    defined = [f"--define={key}={value}" for key, value in {"each": each, "k": 0, **variables}.items()]
    command = [str(binaries() / "pgbench"), "--no-vacuum", "--protocol=prepared", f"--file={FOLDER / name}.sql"]
    command += [f"--client={clients}", f"--transactions={each}", f"--host={database.sockets}", f"--username={ROLE}"]

    def enter() -> None:
        end_with_parent()
        os.sched_setaffinity(0, {core})

    before, own_before = postgres_seconds(), _of_children()
    done = subprocess.run(
        [*command, *defined, COPY], capture_output=True, text=True, check=False, preexec_fn=enter, env=_without_pg()
    )
    used = postgres_seconds() - before, _of_children() - own_before
    found = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
    if done.returncode or found is None:
        raise Wrong(f"pgbench could not run {name}.sql: {done.stderr[-2000:]}")
    return used, float(found[1])


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _without_pg() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
