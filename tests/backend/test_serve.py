"""Serving: it stops when it is told to, leaves nobody behind when it is killed, and says why it cannot start."""

import os
import signal
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from backend.processes import process_count
from schema.management.commands.serve import port
from tests.serving import PATIENCE_SECONDS, free_port, is_free, serving, start, until

pytestmark = pytest.mark.django_db(transaction=True)


def port_of(address: str) -> int:
    """The port of an address."""
    found = urllib.parse.urlsplit(address).port
    assert found is not None
    return found


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("attempt", range(3))
def test_it_stops_when_its_whole_group_is_told_to(served_database: str, ending: signal.Signals, attempt: int) -> None:
    """Ctrl-C goes to the whole process group of a terminal: every worker ends, and the port is free again."""
    with serving(served_database) as (address, process):
        os.killpg(process.pid, ending)
        process.wait(PATIENCE_SECONDS)
        assert is_free(port_of(address))


def test_no_worker_outlives_a_server_that_is_killed(served_database: str) -> None:
    """After `kill -9` of the main process alone, the port is free for the next one."""
    with serving(served_database) as (address, process):
        process.kill()
        process.wait(PATIENCE_SECONDS)
        until(lambda: is_free(port_of(address)), "the workers are gone")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes where Linux shows them")
def test_it_says_why_it_ends_when_its_processes_cannot_live(served_database: str, tmp_path: Path) -> None:
    """One that is killed is started again; if each ends at once, the server ends too, and not in silence."""
    log = tmp_path / "log"
    with log.open("wb") as stderr, serving(served_database, workers=1, stderr=stderr.fileno()) as (_address, process):
        while process.poll() is None:
            for pid in forks(process.pid):
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        assert process.returncode == 1
    assert "The server's processes end as soon as they are started" in log.read_text()


def forks(parent: int) -> list[int]:
    """The processes that this one has forked and that live."""
    found = (Path("/proc") / str(parent) / "task" / str(parent) / "children").read_text().split()
    return [int(pid) for pid in found if (Path("/proc") / pid / "cmdline").read_bytes()]


def test_a_port_that_is_taken_is_named(served_database: str) -> None:
    """The error says which port, and how to choose another."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        process = start(served_database, taken, stderr=subprocess.PIPE)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert f"port {taken}" in said.decode()
    assert "make run PORT=" in said.decode()


@pytest.mark.parametrize("text", ["0", "65536", "-1", "abc", "", "٣"])
def test_a_port_is_a_port(text: str) -> None:
    """Anything else is refused before anything is started."""
    with pytest.raises(ArgumentTypeError, match="must be a whole number"):
        port(text)


@pytest.mark.parametrize("text", ["0", "-1", "many"])
def test_there_is_at_least_one_worker(text: str) -> None:
    """Anything else is refused before anything is started."""
    with pytest.raises(ArgumentTypeError, match="must be a whole number"):
        process_count(text)


def test_a_free_port_is_free() -> None:
    """The tests' own look at ports can say both."""
    assert is_free(free_port())


@pytest.mark.parametrize(("method", "shown"), [("GET", True), ("HEAD", False)])
def test_an_answer_comes_in_one_piece(served_database: str, method: str, shown: bool) -> None:
    """With its length, and not in chunks."""
    with serving(served_database, workers=1) as (address, _process):
        request = urllib.request.Request(f"{address}/graphql?query=%7B__typename%7D", method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
            body = response.read()
        answer = b'{"data":{"__typename":"Query"}}'
        assert response.headers["Content-Length"] == str(len(answer))
        assert "Transfer-Encoding" not in response.headers
        assert body == (answer if shown else b"")
