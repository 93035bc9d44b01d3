"""The bench: what each of its works costs in statements and round trips, and that it works from end to end. Times never."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection

from bench import crowd, idle, live, log, writes
from bench.__main__ import LIMIT_TIMES
from bench.account import megabytes, processor_seconds, tree
from bench.count import ask, counts, heard
from bench.data import Data, prepare
from bench.limit import FOLDER, sql_of
from bench.scripts import Batch, Request, Wrong, play
from bench.works import WORKS, Work
from tests import depth

ROOT = Path(__file__).resolve().parent.parent
BY_NAME = {work.name: work for work in WORKS}

COSTS = {
    "R0": (0, 0),
    "R0t": (0, 0),
    "R1": (1, 1),
    "R2": (1, 1),
    "M1h": (7, 3),
    "M1s": (7, 3),
    "M2": (6.5, 2),  # to follow is seven statements, to unfollow six
    "M3": (7, 2),
    "M4": (7, 2),
    "M5": (9.8, 3),  # eleven where there is a copy, five where there is none
    "R0c": (0, 0),
    "R1c": (1, 1),
    "M1c": (7, 3),
    "M2c": (6.5, 2),
}
"""Statements and round trips of a request, beginning and end of the transaction among them, once statements are prepared."""


@pytest.fixture
def data(transactional_db: None) -> Iterator[Data]:
    """A little demo data, numbered as the bench does."""
    call_command("demo", people=120, follows=2_400, stories=240, chapters=480, verbosity=0)
    parameters = connection.get_connection_params()
    where: dict[str, Any] = {name: parameters.get(name) for name in ("host", "port", "user", "password", "dbname")}
    with psycopg.connect(**where, autocommit=True) as db:
        prepare(db)
        try:
            yield Data.of(db)
        finally:
            db.execute("DROP TABLE bench_person, bench_story")


def test_each_work_takes_as_many_statements_and_round_trips(data: Data) -> None:
    """Of a request that is like others before it."""
    connection.close()  # a new one has no statements that are forgotten on the way, for which there is room for a hundred
    assert {work.name: counts(work, data) for work in WORKS} == COSTS


def test_beginning_and_end_of_a_transaction_are_round_trips(transactional_db: None) -> None:
    """What is counted is what PostgreSQL completes, and how often it waits for more."""
    connection.close()  # a new one prepares nothing yet, which would be a round trip as well

    def transaction() -> None:
        with connection.cursor() as cursor:
            for statement in ("BEGIN", "SELECT 1", "SELECT 2", "COMMIT"):
                cursor.execute(statement)

    assert heard(transaction) == (4, 4)


@pytest.mark.parametrize("work", [work for work in WORKS if work.limit], ids=lambda work: work.name)
def test_the_limit_writes_what_the_server_writes(data: Data, work: Work) -> None:
    """The hand-written SQL of each work is accepted by the tables as they are, their guards included."""
    batch = play(work.prepare(data, 4 * work.each), ask)
    for script in batch.scripts:
        play(script, ask)
    batch.check()
    text = (FOLDER / f"{work.limit}.sql").read_text()
    assert all(f":{name}" in text for name in batch.variables)


def test_sql_for_pgbench_is_read_by_psycopg_too() -> None:
    """Only the variables that are named, and casts stay casts."""
    (statement,) = sql_of("R2", {"story": 1})
    assert "%(story)s" in statement
    assert "::text" in statement


# --- A wrong answer fails -----------------------------------------------------------------------------------------


def lying(request: Request, lie: dict[str, Any]) -> Any:
    """The server's answer, with something changed in the answer of its only field."""
    answer = ask(request)
    (field,) = answer
    if isinstance(answer[field], dict):
        answer[field] = {**answer[field], **lie}
    return answer


@pytest.mark.parametrize(
    ("name", "lie"),
    [
        ("R0", {}),
        ("R0t", {}),
        ("R1", {"edges": []}),
        ("R2", {"title": "Another"}),
        ("M1h", {"counted": False}),
        ("M1s", {"applied": "NOOP"}),
        ("M2", {"applied": "NOOP"}),
        ("M3", {"shelf": {"version": "0"}}),
        ("M4", {"story": {"version": "9", "title": "Title 0 0"}}),
        ("M5", {"__typename": "OutOfStockError", "available": 1, "edition": {"stock": 1}}),
    ],
)
def test_a_wrong_answer_fails(data: Data, name: str, lie: dict[str, Any]) -> None:
    work = BY_NAME[name]
    batch = play(work.prepare(data, work.each), ask)
    with pytest.raises(Wrong):
        play(batch.scripts[0], lambda request: lying(request, lie) if lie else {"__typename": "Mutation"})


@pytest.mark.parametrize("name", ["M1h", "M2", "M3", "M4", "M5"])
def test_what_is_left_is_looked_at(data: Data, name: str) -> None:
    """A write that did not happen, or not to its end, is found once all are done."""
    work = BY_NAME[name]
    batch: Batch = play(work.prepare(data, 4 * work.each), ask)
    for script in batch.scripts[2:]:
        play(script, ask)
    if name == "M2":
        play(batch.scripts[0], lambda request: left_at(request, writes.UNFOLLOW))
    with pytest.raises(Wrong):
        batch.check()


def left_at(request: Request, document: str) -> Any:
    """Answer one document as if it had been done."""
    if request.document == document:
        return {"unfollow": {"applied": "WRITTEN", "relationship": {"version": "2", "following": False}}}
    return ask(request)


# --- Accounts -----------------------------------------------------------------------------------------------------


BURN = "import time\nwhile time.process_time() < 0.2: pass"


def test_the_account_holds_children_that_run() -> None:
    """As the processes do that serve: they are forked by the one that is started."""
    program = f"import os, sys\nif os.fork() == 0:\n exec({BURN!r})\n print(flush=True)\nsys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        _, child = tree(parent.pid)
        assert processor_seconds(parent.pid) >= 0.2
        assert megabytes(parent.pid) > megabytes(child) > 0
        parent.communicate()


def test_the_account_holds_children_that_have_ended() -> None:
    """As short-lived backends of PostgreSQL do."""
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURN!r}]); print(); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        assert list(tree(parent.pid)) == [parent.pid]
        assert processor_seconds(parent.pid) >= 0.2
        parent.communicate()
    assert list(tree(parent.pid)) == [parent.pid], "nothing is known of it, and nothing fails"


# --- From end to end ----------------------------------------------------------------------------------------------


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not depth.EXHAUSTIVE, reason="the exhaustive run measures")
def test_a_quick_run_measures_every_work(tmp_path: Path) -> None:
    """On a database of its own, with a server of its own; both have ended when it has. Proven in the exhaustive run alone."""
    file = tmp_path / "bench.json"
    done = bench("--quick", "--rounds", "1", "--requests", "16", "--json", str(file))
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())
    assert found["idle"]["connections"] == idle.FEW
    assert found["idle"]["after_mb"] > 0
    assert [one["subscribers"] for one in found["live"]["idle"]] == [live.FEW[0]] * 2
    assert 0 < found["live"]["p50_ms"] <= found["live"]["p99_ms"]
    works = found["works"]
    assert list(works) == [work.name for work in WORKS]
    for work in WORKS:
        figures = works[work.name]
        assert figures["server_ms"] > 0
        assert figures["server_mb"] > 0
        assert figures["rounds"][0]["requests"] >= 10
        assert (figures["limit"] is None) == (work.limit is None)
        assert f"| {work.name} " in done.stdout


@pytest.mark.skipif(not depth.EXHAUSTIVE, reason="the exhaustive run measures")
def test_crowds_who_listen_and_crowds_who_do_not(tmp_path: Path) -> None:
    """Every title that they wrote has its version."""
    file = tmp_path / "bench.json"
    done = bench("--quick", "--rounds", "1", "--only", "crowd", "--json", str(file))
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())["advice"]
    assert [(one["clients"], one["listens"]) for one in found] == [(n, how) for n in crowd.FEW for how in (False, True)]
    assert all(one["attempts_per_success"] >= 1 and one["read_p99_ms"] >= one["read_p50_ms"] > 0 for one in found)


@pytest.mark.skipif(not depth.EXHAUSTIVE, reason="the exhaustive run measures")
def test_requests_with_the_change_log_and_without() -> None:
    """Each work in both ways, on the same rows: `check` of each batch holds in both."""
    done = bench("--quick", "--rounds", "1", "--only", "log")
    assert done.returncode == 0, done.stderr
    for work in log.MEASURED:
        assert f"| {work.name} " in done.stdout


def test_a_round_has_no_more_requests_than_the_data_suffice_for(data: Data) -> None:
    """Where each needs another person; the limit's SQL, which is run more often, is prepared too."""
    for work in WORKS:
        most = work.most(data)
        assert (most is None) == (not work.takes_people)
        if most is not None:
            play(work.prepare(data, most * LIMIT_TIMES), ask)


@pytest.mark.parametrize("arguments", [["--only", "R9"], ["--requests", "0"], ["--rounds", "x"]])
def test_bad_arguments_are_named(arguments: list[str]) -> None:
    done = bench(*arguments)
    assert done.returncode == 2
    assert arguments[1] in done.stderr
