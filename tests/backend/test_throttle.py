"""Lines that repeat are counted instead of written, and what is written adds up to what happened."""

import json
import logging
import subprocess
import sys
import time
from collections import Counter
from types import SimpleNamespace

import pytest

from backend.logs import LOGGING, begin, throttle
from backend.logs.throttle import ThrottledHandler
from tests.logged import Logged
from tests.serving import until

log = logging.getLogger("katha")


def busy(viewer: str = "asha", **facts: str) -> None:
    """One answer BUSY."""
    begin(viewer=viewer)
    log.warning("busy", extra={"code": "BUSY", "cause": "deadlock", **facts})
    begin()


def test_a_line_that_repeats_is_written_twice_for_all(logged: Logged) -> None:
    """At once, and in the end with how many it stands for: then with what was bound for the last of them."""
    for number in range(60):
        busy(f"viewer-{number}")
    assert [line["viewer"] for line in logged.lines()] == ["viewer-0"]
    logged.handler.write_all()
    assert [(line["viewer"], line.get("times")) for line in logged.lines()] == [("viewer-0", None), ("viewer-59", 59)]
    logged.handler.write_all()
    assert logged.counts("event") == {("busy",): 60}


def test_lines_of_another_kind_are_written(logged: Logged) -> None:
    """Another cause, code, mutation or level; a number in the message or another viewer makes none."""
    busy()
    busy(cause="the disk is full")
    busy(code="OUTCOME_UNKNOWN")
    busy(mutation="follow")
    log.error("busy", extra={"code": "BUSY", "cause": "deadlock"})
    assert len(logged.lines()) == 5
    for number in range(3):
        log.warning("attempt %s", number)
    assert [line["event"] for line in logged.lines()][5:] == ["attempt 0"]


def test_it_is_written_in_time_without_another_event(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a thread, which ends when nothing is held back any more."""
    now = [0.0]
    monkeypatch.setattr(throttle, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=time.sleep))
    monkeypatch.setattr(throttle, "LOOK_SECONDS", 0.02)
    for _ in range(5):
        busy()
    watching = logged.handler._thread
    assert watching is not None
    assert len(logged.lines()) == 1
    now[0] += throttle.SECONDS
    until(lambda: len(logged.lines()) == 2, "what is held back is written")
    now[0] += throttle.SECONDS
    watching.join(60)
    assert not watching.is_alive()
    assert logged.counts("event") == {("busy",): 5}
    assert len(logged.lines()) == 2
    busy()
    assert len(logged.lines()) == 3


def test_each_fault_has_its_stack(logged: Logged) -> None:
    """Faults differ by where they were raised; of one that repeats the stack is written once."""
    for _ in range(3):
        for divisor in ("0", "zero"):
            try:
                _ = 1 // int(divisor)
            except (ZeroDivisionError, ValueError) as error:
                log.error("fault", exc_info=error)
    logged.handler.write_all()
    assert logged.counts("exception") == {("builtins.ZeroDivisionError",): 3, ("builtins.ValueError",): 3}
    assert ["stack" in line for line in logged.lines()] == [True, True, False, False]


def test_memory_is_bounded_and_nothing_is_lost(logged: Logged) -> None:
    """The kind that began first makes room, and what was held back of it is written."""
    for number in range(throttle.MAX_KINDS + 10):
        for _ in range(2):
            busy(cause=str(number))
    assert len(logged.handler._repeated) == throttle.MAX_KINDS
    logged.handler.write_all()
    assert set(logged.counts("cause").values()) == {2}
    assert len(logged.counts("cause")) == throttle.MAX_KINDS + 10


PROGRAM = """
import logging, multiprocessing, os
from logging.config import dictConfig
from backend.logs import LOGGING

def repeat(times):
    for _ in range(times):
        logging.getLogger("katha").warning("busy", extra={"code": str(os.getpid())})

dictConfig(LOGGING)
repeat(5)
other = multiprocessing.get_context("fork").Process(target=repeat, args=[7])
other.start()
other.join()
"""


def test_a_process_that_ends_writes_what_it_holds_back() -> None:
    """Its own, and not what a process that it was forked from holds back as well."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    found: Counter[str] = Counter()
    for line in map(json.loads, done.stderr.splitlines()):
        found[line["code"]] += line.get("times", 1)
    assert sorted(found.values()) == [5, 7]


def test_the_server_logs_by_it() -> None:
    """Every line of every library passes it."""
    assert LOGGING["root"]["handlers"] == ["stderr"]
    assert LOGGING["handlers"]["stderr"]["()"].endswith(ThrottledHandler.__name__)
    assert all("handlers" not in logger for logger in LOGGING["loggers"].values())
