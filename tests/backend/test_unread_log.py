"""Whoever reads the log may stop: nobody who logs waits for that, and what is not written is told."""

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from backend.engine import metrics
from backend.logs import queued
from tests.api import ApiClient
from tests.races.test_server import Client
from tests.serving import PATIENCE_SECONDS, ROOT, serving

SMALL = 4_096
"""The smallest pipe, and how much it takes in one write without waiting."""
FOLLOW = """
mutation Following($p: ID!, $v: Version!) { follow(person: $p, expect: {version: $v}) {
  ... on RelationshipSuccess { applied } ... on Failure { code } ... on ConflictError { current { version } }
} }
"""
UNFOLLOW = FOLLOW.replace("follow(", "unfollow(")
ME = "{ viewer { handle } }"


def can_be_read(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], PATIENCE_SECONDS)[0])


class UnreadPipe:
    """A pipe for a process's stderr that nobody reads."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, SMALL)

    def fill(self) -> None:
        """Until it takes nothing more."""
        while select.select([], [self.writing], [], 0)[1]:
            os.write(self.writing, b"\n" * SMALL)

    def lines(self, until: Callable[[list[Any]], bool]) -> list[Any]:
        """Read what stands in it, and what is written as soon as there is room, until that is enough."""
        text = b""
        while not until(found := [json.loads(line) for line in text.splitlines(keepends=True) if line[-2:] == b"}\n"]):
            assert can_be_read(self.reading), found
            text += os.read(self.reading, SMALL)
        return found


@pytest.fixture
def pipe() -> Iterator[UnreadPipe]:
    made = UnreadPipe()
    yield made
    os.close(made.reading)
    os.close(made.writing)


@pytest.mark.django_db(transaction=True)
def test_a_log_that_nobody_reads_stops_nobody(
    served_database: str, pipe: UnreadPipe, asha: ApiClient, bilal: ApiClient
) -> None:
    """A conflict is logged in a fiber, and what is no request in the event loop. It is written later, as it was then."""
    with serving(served_database, workers=1, stderr=pipe.writing) as (address, process):
        first, second = Client(address, asha), Client(address, bilal)
        for _ in range(2):  # known documents are served in the event loop
            assert first.post(UNFOLLOW, {"p": bilal.id, "v": "0"})["applied"] == "NOOP"
            assert second.post(ME, {}) == {"handle": "bilal"}
        assert first.post(FOLLOW, {"p": bilal.id, "v": "0"})["applied"] == "WRITTEN"
        pipe.fill()
        assert first.post(UNFOLLOW, {"p": bilal.id, "v": "0"})["code"] == "CONFLICT"
        assert first.post("{ nonsense", {})["code"] == "GRAPHQL_PARSE_FAILED"
        assert second.post(ME, {}) == {"handle": "bilal"}
        assert second.post(FOLLOW, {"p": asha.id, "v": "0"})["applied"] == "WRITTEN"
        conflict, refused = pipe.lines(lambda found: len(found) == 2)
        assert (conflict["event"], conflict["viewer"]) == ("conflict", str(asha.person.pk))
        assert (refused["code"], "viewer" in refused) == ("GRAPHQL_PARSE_FAILED", False)
        pipe.fill()
        assert first.post("{ nonsense again", {})["code"] == "GRAPHQL_PARSE_FAILED"
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0


PROGRAM = """
import fcntl, logging, sys
from logging.config import dictConfig
from backend.logs import LOGGING, queued

dropped = []
queued.MAX_LINES = 8
queued.DROPPED.append(lambda: dropped.append(1))
dictConfig(LOGGING)
for number in range(30):
    logging.getLogger("katha").warning("busy", extra={"code": str(number).zfill(1000)})
print(len(dropped), flush=True)
sys.stdin.read()
"""


def test_what_found_no_room_is_counted_and_told(pipe: UnreadPipe) -> None:
    """In one line, after all that was not lost; what is logged after that is written as before."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=pipe.writing, cwd=ROOT
    )
    assert process.stdout
    try:
        assert can_be_read(process.stdout.fileno())
        dropped = int(process.stdout.readline())
        *kept, last = pipe.lines(lambda found: bool(found) and found[-1]["event"] != "busy")
    finally:
        process.kill()
        process.communicate()
    assert dropped > 0
    codes = [line["code"] for line in kept]
    assert codes == sorted(set(codes))
    assert len(codes) == 30 - dropped
    assert (last["event"], last["times"]) == ("lines of the log were dropped", dropped)


def test_what_is_dropped_is_a_metric() -> None:
    assert metrics.LINES_DROPPED.inc in queued.DROPPED
