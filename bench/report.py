"""Reports the results: the median of the rounds and their spread."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from bench.constraints import Checked
from bench.crowd import Crowd
from bench.growth import Point
from bench.idle import Idle
from bench.limit import Limit
from bench.live import Live
from bench.works import Work


@dataclass(frozen=True)
class Round:
    """One measurement of a workload, per request, and of its limit, per run of the SQL."""

    requests: int
    requests_per_success: float
    per_second: float
    p50_ms: float
    p99_ms: float
    server_ms: float
    postgres_ms: float
    server_mb: float
    postgres_mb: float
    limit: Limit | None


@dataclass(frozen=True)
class Result:
    """A workload with all its rounds."""

    work: Work
    statements: float
    round_trips: float
    rounds: Sequence[Round]

    def median(self, name: str) -> float:
        """The median of a number of the server."""
        return statistics.median(getattr(one, name) for one in self.rounds)

    def limit(self, name: str) -> float | None:
        """The median of a number of the limit, per request."""
        found = [getattr(one.limit, name) for one in self.rounds if one.limit is not None]
        if not found:
            return None
        figure = statistics.median(found)
        each = 1 if self.work.retries else self.work.each
        return figure * each if name == "per_second" else figure / each

    @property
    def spread(self) -> float:
        """The range of processor time over all rounds, as a fraction of the median."""
        used = [one.server_ms + one.postgres_ms for one in self.rounds]
        return (max(used) - min(used)) / statistics.median(used)

    def times(self, *, with_server: bool) -> float | None:
        """The processor time of a request relative to the limit: of PostgreSQL only, or including server and pgbench."""
        postgres, whole = self.limit("postgres_ms"), self.limit_ms
        if postgres is None or whole is None:
            return None
        return self.total_ms / whole if with_server else self.median("postgres_ms") / postgres

    @property
    def total_ms(self) -> float:
        """The processor time of a request, of the server and of PostgreSQL."""
        return statistics.median(one.server_ms + one.postgres_ms for one in self.rounds)

    @property
    def limit_ms(self) -> float | None:
        """The processor time of the limit, of pgbench and of PostgreSQL."""
        postgres, pgbench = self.limit("postgres_ms"), self.limit("pgbench_ms")
        return None if postgres is None or pgbench is None else postgres + pgbench

    def figures(self) -> dict[str, object]:
        """All numbers, for JSON."""
        names = [name for name in Round.__dataclass_fields__ if name != "limit"]
        limit = {name: self.limit(name) for name in Limit.__dataclass_fields__}
        return {
            "what": self.work.what,
            "clients": self.work.clients,
            "workers": self.work.workers,
            "statements": self.statements,
            "round_trips": self.round_trips,
            **{name: self.median(name) for name in names},
            "total_ms": self.total_ms,
            "limit_ms": self.limit_ms,
            "spread": self.spread,
            "limit": None if self.work.limit is None else limit,
            "times_postgres": self.times(with_server=False),
            "times_all": self.times(with_server=True),
            "rounds": [asdict(one) for one in self.rounds],
        }


SERVED = (
    *("work", "requests/s", "p50 ms", "p99 ms", "server ms", "PostgreSQL ms", "±", "statements", "round trips"),
    *("server MB", "PostgreSQL MB"),
)
LIMITS = ("work", "runs/s", "PostgreSQL ms", "pgbench ms", "× PostgreSQL", "CPU ms", "Katha's CPU ms", "× all")
ADVICE = (
    ("attempts/success", "attempts_per_success"),
    ("successes/s", "successes_per_second"),
    ("a read p50 ms", "read_p50_ms"),
    ("p99 ms", "read_p99_ms"),
)
CROWDS = ("work", "connections", "requests/s", "p50 ms", "p99 ms", "server ms", "PostgreSQL ms", "CPU ms")


def show(
    console: Console,
    results: Sequence[Result],
    idle: Idle | None,
    advice: Sequence[Crowd],
    checked: Sequence[Checked],
) -> None:
    """Print the tables as Markdown, and what idle connections take."""
    if results:
        _show_works(console, results)
    if idle is not None:
        console.print(
            f"\n{idle.connections} idle connections: {idle.kilobytes_each:.1f} kB for each, "
            f"from {idle.before_mb:.0f} to {idle.after_mb:.0f} MB"
        )
    if advice:
        _show_advice(console, advice)
    if checked:
        _show_checked(console, checked)


def show_live(console: Console, live: Live | None) -> None:
    """Print what live updates cost, if it was measured."""
    if live is None:
        return
    for one in live.idle:
        console.print(
            f"\n{one.subscribers} idle subscribers by {one.transport}: {one.after_mb - one.before_mb:.1f} MB, "
            f"{(one.after_mb - one.before_mb) * 1024 / one.subscribers:.1f} kB for each"
        )
    console.print(
        f"{live.subscribers} subscribers of one story over two workers, {live.writes} changes: p50 {live.p50_ms:.0f} ms, "
        f"p99 {live.p99_ms:.0f} ms, {100 * live.within:.1f} % within 500 ms\n"
        f"Polling while nothing changes: {live.poll_percent:.1f} % of a core for each process"
    )


def _show_works(console: Console, results: Sequence[Result]) -> None:
    served, limits = _table(SERVED), _table(LIMITS)
    for one in results:
        speed = [f"{one.median(name):.{digits}f}" for name, digits in (("per_second", 0), ("p50_ms", 1), ("p99_ms", 1))]
        cost = [f"{one.median(name):.2f}" for name in ("server_ms", "postgres_ms")]
        counted = [f"{number:g}" for number in (round(one.statements, 1), round(one.round_trips, 1))]
        memory = [f"{one.median(name):.0f}" for name in ("server_mb", "postgres_mb")]
        served.add_row(one.work.name, *speed, *cost, f"{50 * one.spread:.0f} %", *counted, *memory)
        if one.work.limit is not None:
            limit = [one.limit("per_second"), one.limit("postgres_ms"), one.limit("pgbench_ms")]
            times = one.times(with_server=True)
            ratios = [one.times(with_server=False), one.limit_ms, one.total_ms, times]
            digits = (0, 3, 3, 1, 2, 2, 1)
            shown = [f"{value or 0:.{places}f}" for value, places in zip([*limit, *ratios], digits, strict=True)]
            limits.add_row(one.work.name, *shown)
    console.print(
        "\nKatha, for each request\n", served, "\nThe limit: hand-written SQL in pgbench, for each request\n", limits
    )
    for one in results:
        console.print(f"{one.work.name:4} {one.work.what}", markup=False)
        if one.work.retries:
            console.print(f"     {one.median('requests_per_success'):.1f} requests for each success")


def show_growth(console: Console, points: Sequence[Point], crowds: Sequence[Result]) -> None:
    """Print what reads cost with more rows, and with more connections."""
    sizes = sorted({one.rows for one in points})
    grown = _table(["query", *(f"{size:,}".replace(",", " ") for size in sizes)])
    for name in dict.fromkeys(one.query for one in points):
        costs = [one for size in sizes for one in points if (one.query, one.rows) == (name, size)]
        grown.add_row(name, *(f"{one.buffers} / {one.postgres_ms:.2f}" for one in costs))
    console.print("\nBuffers and PostgreSQL's CPU ms of a query, by stories and followers\n", grown)
    crowded = _table(CROWDS)
    for one in crowds:
        names = (("per_second", 0), ("p50_ms", 1), ("p99_ms", 1), ("server_ms", 2), ("postgres_ms", 2))
        figures = [f"{one.median(name):.{digits}f}" for name, digits in names]
        crowded.add_row(one.work.name, str(one.work.clients), *figures, f"{one.total_ms:.2f}")
    console.print("\nOne worker, by connections\n", crowded)


def _show_checked(console: Console, checked: Sequence[Checked]) -> None:
    """Print what the limit costs with less and less of what PostgreSQL checks."""
    table = _table(["work", *checked[0].rounds])
    for one in checked:
        table.add_row(one.work.name, *(f"{figure:.3f}" for figure in one.figures().values()))
    console.print("\nThe limit: PostgreSQL's CPU ms for each request, with fewer and fewer checks\n", table)


def show_logged(console: Console, logged: Sequence[tuple[str, dict[str, float]]]) -> None:
    """Print what requests cost without the change log and with it."""
    if not logged:
        return
    table = _table(
        ["work", "server ms", "PostgreSQL ms", "server ms, log", "PostgreSQL ms, log", "PostgreSQL µs more", "all"]
    )
    for name, figures in logged:
        *costs, more_us, more = figures.values()
        table.add_row(name, *(f"{cost:.2f}" for cost in costs), f"{more_us:+.0f}", f"{more:+.1f} %")
    console.print("\nThe change log: requests without it and with it, in turns\n", table)


def _show_advice(console: Console, crowds: Sequence[Crowd]) -> None:
    """Print what crowds did who listen to the advice on when to retry, and who do not. Medians of the rounds."""
    table = _table(["clients", "retry", *(what for what, _ in ADVICE)])
    for clients, listens in dict.fromkeys((one.clients, one.listens) for one in crowds):
        rounds = [one.figures() for one in crowds if (one.clients, one.listens) == (clients, listens)]
        medians = [f"{statistics.median(one[name] for one in rounds):.1f}" for _, name in ADVICE]
        table.add_row(str(clients), "after afterMs" if listens else "at once", *medians)
    console.print("\nCrowds who write one story's title, and somebody who reads it meanwhile\n", table)


def write_json(
    path: Path,
    results: Sequence[Result],
    idle: Idle | None,
    live: Live | None,
    points: Sequence[Point],
    crowds: Sequence[Result],
    advice: Sequence[Crowd],
    about: Mapping[str, object],
) -> None:
    """Write everything as JSON."""
    works = {one.work.name: one.figures() for one in results}
    found = {
        **about,
        "works": works,
        "idle": None if idle is None else idle.figures(),
        "live": None if live is None else live.figures(),
        "growth": [asdict(one) for one in points],
        "crowds": [one.figures() for one in crowds],
        "advice": [one.figures() for one in advice],
    }
    path.write_text(json.dumps(found, indent=2) + "\n")


def _table(headings: Sequence[str]) -> Table:
    table = Table(box=MARKDOWN)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    return table
