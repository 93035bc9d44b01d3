"""The measured server: `manage.py serve`, pinned to some processors."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.account import end_with_parent
from bench.data import COPY, ROOT, Database, environment
from bench.scripts import Wrong

TIMEOUT_SECONDS = 60


class Server(NamedTuple):
    """A running server: its port, and the id of its main process, whose children serve."""

    port: int
    pid: int


@contextmanager
def serving(database: Database, workers: int, cores: set[int], folder: Path) -> Iterator[Server]:
    """Run a server on the copy, pinned to these processors, while the block runs. Its log is written to the folder."""
    port = _free_port()
    command = [sys.executable, "manage.py", "serve", "--workers", str(workers), "--no-worker", "--port", str(port)]

    def enter() -> None:
        end_with_parent()
        os.sched_setaffinity(0, cores)

    with (folder / f"server-{workers}.log").open("wb") as said:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(database, COPY), stdout=said, stderr=said, preexec_fn=enter
        )
    try:
        _wait_for(process, f"http://127.0.0.1:{port}/readyz")
        yield Server(port, process.pid)
    finally:
        process.terminate()
        process.wait(TIMEOUT_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_for(process: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        if process.poll() is not None:
            raise Wrong(f"the server ended with status {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise Wrong("the server does not answer") from None
            time.sleep(0.05)
