"""Starts `manage.py serve` as a terminal does: in a process group of its own, on a free port."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_SECONDS = 180
"""What takes longer hangs; no test fails because the machine is slow."""
PORTS = (10_000, 32_768)

Process = subprocess.Popen[bytes]


@contextmanager
def serving(
    database: str, *, workers: int = 2, jobs: bool = False, stderr: int | None = None, port: int | None = None
) -> Iterator[tuple[str, Process]]:
    """A server over this database that is ready: its address and its main process. Ended when the block ends.

    `jobs`: with a worker, as it is for everybody else. Most tests look at rows that no job may add to. `stderr`: the
    descriptor of a file for the log. `port`: a free one if left out.
    """
    port = port or free_port()
    process = start(database, port, *([] if jobs else ["--no-worker"]), workers=workers, stderr=stderr)
    address = f"http://127.0.0.1:{port}"
    try:
        until(lambda: answers(process, f"{address}/readyz"), "the server is ready")
        yield address, process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=PATIENCE_SECONDS)


def start(database: str, port: int, *more: str, workers: int = 2, stderr: int | None = None) -> Process:
    """Start a server, as the leader of a process group."""
    environment = {**os.environ, "DATABASE_URL": database, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "manage.py", "serve", "--port", str(port), "--workers", str(workers), *more]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True
    )


def free_port() -> int:
    """A port that nobody listens on. Not one of those that connections take for their own end, or one of these may have it
    before the server does; and chosen by chance that no test has seeded, because processes that test begin with the same seed.
    """
    while True:
        port = random.SystemRandom().randrange(*PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


def is_free(port: int) -> bool:
    """Whether nobody listens on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def until(true: Callable[[], bool], what: str) -> None:
    """Ask until the answer is yes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"It did not happen that {what}.")
        time.sleep(0.05)


def answers(process: Process, url: str) -> bool:
    """Whether it answers at this address; an error if it has ended."""
    assert process.poll() is None, f"the server ended with {process.returncode}"
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False
