"""python -m bench: measure the workloads and their limits, and report. `make bench` runs it."""

import os
import subprocess
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import orjson
import psycopg
from rich.console import Console

from backend.embedded import EmbeddedError, running
from bench import constraints, crowd, growth, idle, live, load, log, report
from bench.account import end_with_parent, megabytes, pin, processor_seconds
from bench.data import COPY, LARGE, ROOT, SMALL, Data, Database, copy, environment, fill, prepare
from bench.limit import Limit, measure
from bench.report import Result, Round
from bench.scripts import Wrong
from bench.server import Server, serving
from bench.works import WORKS, Work

ROUNDS = 3
FEW = 32
"""Requests of a workload in each round of a quick run."""
WARM = 40
WIDTH = 140
"""Characters of a line. Fixed, because the tables are copied into documents."""
LIMIT_TIMES = 3
"""The SQL runs so many times as often as the server is asked, because it is faster and has to be measured as exactly."""
CROWDS = (1, 4, 16, 64)
CROWDED = ("R1", "R2")
BY_CONNECTIONS = [
    replace(work, clients=clients, limit=None) for work in WORKS for clients in CROWDS if work.name in CROWDED
]
"""With `--growth` these workloads are measured on so many connections."""


class Bench:
    """PostgreSQL and running servers, by their number of workers."""

    def __init__(
        self, database: Database, data: Data, servers: Mapping[int, Server], postmaster: int, core: int
    ) -> None:
        self.database, self.data, self.core = database, data, core
        self.servers, self.postmaster = servers, postmaster

    def round(self, work: Work, requests: int) -> Round:
        """Measure a workload once, and then its limit. Raises `Wrong`."""
        port, pid = self.servers[work.workers]
        load.drive(port, load.play_alone(port, work.prepare(self.data, WARM * work.workers)).scripts, work.clients)
        batch = load.play_alone(port, work.prepare(self.data, requests))
        server, postgres = processor_seconds(pid), processor_seconds(self.postmaster)
        served = load.drive(port, batch.scripts, work.clients)
        server, postgres = processor_seconds(pid) - server, processor_seconds(self.postmaster) - postgres
        batch.check()
        return Round(
            requests=served.requests,
            requests_per_success=served.requests / requests,
            per_second=served.requests / served.seconds,
            p50_ms=served.percentile(0.50),
            p99_ms=served.percentile(0.99),
            server_ms=1_000 * server / served.requests,
            postgres_ms=1_000 * postgres / served.requests,
            server_mb=megabytes(pid),
            postgres_mb=megabytes(self.postmaster),
            limit=self.limit(work, requests * LIMIT_TIMES),
        )

    def crowd(self, work: Work, requests: int) -> Result:
        """Measure a workload once, for one number of connections."""
        return Result(work, 0, 0, [self.round(work, requests)])

    def limit(self, work: Work, requests: int) -> Limit | None:
        """Measure the limit of a workload; None if it has none."""
        if work.limit is None:
            return None
        batch = load.play_alone(self.servers[work.workers].port, work.prepare(self.data, requests))
        return measure(
            self.database,
            work.limit,
            batch.variables,
            clients=work.clients,
            runs=requests if work.retries else requests // work.each,
            core=self.core,
            postgres_seconds=partial(processor_seconds, self.postmaster),
        )


def run(arguments: Namespace, console: Console) -> None:
    """Prepare the data, measure, and report."""
    own, *others = sorted(os.sched_getaffinity(0)) * 2
    rest = set(others) - {own} or {own}
    folder = Path(os.environ.get("KATHA_DATA") or ROOT / ".katha") / ("bench-quick" if arguments.quick else "bench")
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["KATHA_DATA"] = str(folder)
    works = [work for work in WORKS if not arguments.only or work.name in arguments.only]
    grows = arguments.growth or growth.NAME in (arguments.only or ())
    checks, turns = (one.MEASURED if one.NAME in (arguments.only or ()) else [] for one in (constraints, log))
    crowds = BY_CONNECTIONS if grows else []
    with running(folder / "postgres", durable=True, report=console.print) as sockets:
        database = Database(sockets)
        fill(database, SMALL if arguments.quick else LARGE)
        copy(database)
        postmaster = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
        pin(postmaster, rest)
        pin(os.getpid(), rest)
        with closing(database.connect(COPY)) as db:
            prepare(db)
            counted = count(database, works, folder / "count.log")
            with ExitStack() as stack:
                servers = {
                    number: stack.enter_context(
                        serving(database, number, {own} if number == 1 else {own, *rest}, folder)
                    )
                    for number in {work.workers for work in [*works, *crowds, *checks, *turns]}
                }
                bench = Bench(database, Data.of(db), servers, postmaster, own)
                results = measured(bench, works, arguments, counted, console)
                crowded = [bench.crowd(work, _requests(work, bench.data, arguments, console)) for work in crowds]
                checked = less_checked(bench, db, checks, arguments, console)
                logs = logged(bench, db, turns, arguments)
            told = advised(database, Data.of(db), {own}, folder, arguments, console)
        found, points = rested(database, folder, arguments, own), list[growth.Point]()
        lively = subscribed(database, folder, arguments, own, rest, console)
        if grows:
            console.print("▸ Making rows, step by step")
            points = growth.measure(database, growth.QUICK if arguments.quick else growth.SIZES, folder / "growth.log")
    report.show(console, results, found, told, checked)
    report.show_logged(console, [(one.work.name, one.figures()) for one in logs])
    report.show_live(console, lively)
    if grows:
        report.show_growth(console, points, crowded)
    if arguments.json:
        about = {"processors": os.cpu_count(), "rounds": arguments.rounds, "quick": arguments.quick}
        report.write_json(arguments.json, results, found, lively, points, crowded, told, about)


def rested(database: Database, folder: Path, arguments: Namespace, own: int) -> idle.Idle | None:
    """What idle connections take; None unless it is asked for."""
    if arguments.only and idle.NAME not in arguments.only:
        return None
    with serving(database, 1, {own}, folder) as server:
        return idle.measure(server, idle.FEW if arguments.quick else idle.CONNECTIONS)


def subscribed(
    database: Database, folder: Path, arguments: Namespace, own: int, rest: set[int], console: Console
) -> live.Live | None:
    """What live updates cost; None unless it is asked for."""
    if arguments.only and live.NAME not in arguments.only:
        return None
    console.print("▸ Subscribing")
    rested = []
    with closing(database.connect(COPY)) as db:
        data = Data.of(db)
        for transport in live.TRANSPORTS:  # each in a fresh server: what another has given back would be used again
            with serving(database, 1, {own}, folder) as server:
                rested.append(live.rest(server, data, transport, quick=arguments.quick))
        with serving(database, 1, {own}, folder) as one, serving(database, 2, {own, *rest}, folder) as two:
            return live.measure(one, two, data, rested, quick=arguments.quick)


def measured(
    bench: Bench, works: Sequence[Work], arguments: Namespace, counted: dict[str, tuple[float, float]], console: Console
) -> list[Result]:
    """All rounds of all workloads, interleaved, so that a temporary disturbance affects all of them."""
    rounds: dict[str, list[Round]] = {work.name: [] for work in works}
    requests = {work.name: _requests(work, bench.data, arguments, console) for work in works}
    for number in range(1, arguments.rounds + 1):
        for work in works:
            one = bench.round(work, requests[work.name])
            rounds[work.name].append(one)
            console.print(
                f"▸ round {number}/{arguments.rounds}  {work.name:4} {one.requests:5} requests  "
                f"server {one.server_ms:.2f} ms  PostgreSQL {one.postgres_ms:.2f} ms"
            )
    return [Result(work, *counted[work.name], rounds[work.name]) for work in works]


def less_checked(
    bench: Bench, db: "psycopg.Connection[object]", works: Sequence[Work], arguments: Namespace, console: Console
) -> Sequence[constraints.Checked]:
    """What PostgreSQL's checks cost in these workloads."""

    def limit(work: Work) -> Limit | None:
        return bench.limit(work, LIMIT_TIMES * _requests(work, bench.data, arguments, console))

    return constraints.measure(db, works, limit, arguments.rounds) if works else []


def logged(
    bench: Bench, db: "psycopg.Connection[object]", works: Sequence[Work], arguments: Namespace
) -> Sequence[log.Logged]:
    """What the change log costs whole requests."""
    turns, requests = (log.FEW_TURNS, log.FEW_REQUESTS) if arguments.quick else (log.TURNS, log.REQUESTS)
    requests = arguments.requests or requests
    return log.measure(db, works, lambda work: bench.round(work, requests), turns * arguments.rounds)


def advised(
    database: Database, data: Data, cores: set[int], folder: Path, arguments: Namespace, console: Console
) -> list[crowd.Crowd]:
    """All rounds of all crowds, interleaved; none unless they are asked for."""
    if crowd.NAME not in (arguments.only or ()):
        return []
    sizes, seconds = (crowd.FEW, crowd.FEW_SECONDS) if arguments.quick else (crowd.CLIENTS, crowd.SECONDS)
    found = []
    with serving(database, 1, cores, folder) as server:
        crowd.measure(server, data, *crowd.WARM, listens=True)
        for number in range(1, arguments.rounds + 1):
            for clients in sizes:
                console.print(f"▸ round {number}/{arguments.rounds}  a crowd of {clients}")
                found += [crowd.measure(server, data, clients, seconds, listens=listens) for listens in (False, True)]
    return found


def _requests(work: Work, data: Data, arguments: Namespace, console: Console) -> int:
    """The number of requests in a round of this workload, in whole scripts."""
    wanted = arguments.requests or (max(FEW, work.clients) if arguments.quick else work.requests)
    most = work.most(data)
    if most is not None and wanted > most:
        console.print(f"▸ {work.name} needs other people for each request: {most} a round, not {wanted}")
        wanted = most
    return max(1, wanted // work.each) * work.each


def count(database: Database, works: Sequence[Work], log: Path) -> dict[str, tuple[float, float]]:
    """Statements and round trips of each workload, counted in a separate process."""
    if not works:
        return {}
    with log.open("wb") as said:
        done = subprocess.run(
            [sys.executable, "-m", "bench.count", *(work.name for work in works)],
            cwd=ROOT,
            env=environment(database, COPY),
            stdout=subprocess.PIPE,
            stderr=said,
            check=False,
            preexec_fn=end_with_parent,
        )
    if done.returncode:
        raise Wrong(f"the statements could not be counted; {log} says why")
    counted: dict[str, tuple[float, float]] = orjson.loads(done.stdout)
    return counted


def names(text: str) -> list[str]:
    """Parse comma-separated names of workloads."""
    found = text.split(",")
    others = [idle.NAME, live.NAME, growth.NAME, crowd.NAME, constraints.NAME, log.NAME]
    known = [*(work.name for work in WORKS), *others]
    if unknown := [name for name in found if name not in known]:
        raise ArgumentTypeError(f"there is no work {', '.join(unknown)}; there are {', '.join(known)}")
    return found


def number(text: str) -> int:
    """Parse a positive integer."""
    if not text.isascii() or not text.isdigit() or not int(text):
        raise ArgumentTypeError(f"must be a whole number above 0, not {text!r}")
    return int(text)


def parse(words: Sequence[str]) -> Namespace:
    """Parse the command line."""
    parser = ArgumentParser(
        prog="make bench ARGS=…", description="Measure what requests cost, and what they could cost."
    )
    parser.add_argument("--quick", action="store_true", help="Few requests on small data: that it works, not how fast.")
    parser.add_argument("--only", type=names, metavar="R1,M4", help="These works alone.")
    parser.add_argument("--requests", type=number, metavar="N", help="So many of each work in each round.")
    parser.add_argument("--rounds", type=number, default=ROUNDS, metavar="N", help=f"Default {ROUNDS}.")
    parser.add_argument(
        "--growth",
        action="store_true",
        help="Also a thousand to a million rows, and 1 to 64 connections: takes minutes.",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="Write all figures there.")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> None:
    """Run, and print errors in one line."""
    if sys.platform != "linux":
        sys.exit("The bench reads Linux's account of processes; it does not run elsewhere.")
    arguments = parse(words)
    try:
        run(arguments, Console(width=WIDTH, highlight=False))
    except Wrong as wrong:
        sys.exit(f"The bench failed: {wrong}.")
    except (EmbeddedError, subprocess.CalledProcessError) as error:
        sys.exit(f"The bench could not start: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
