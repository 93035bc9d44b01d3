"""The measured server: `manage.py serve` with one worker process, pinned to a processor of its own."""

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

from bench.account import end_with_parent
from bench.data import COPY, ROOT, Database, environment
from bench.scripts import Wrong

TIMEOUT_SECONDS = 60


@contextmanager
def serving(database: Database, core: int, log: Path) -> Iterator[tuple[int, int]]:
    """Run a server on the copy, pinned to this processor, while the block runs; yields its port and the id of its main
    process.
    """
    port = _free_port()
    command = [sys.executable, "manage.py", "serve", "--workers", "1", "--no-worker", "--port", str(port)]

    def enter() -> None:
        end_with_parent()
        os.sched_setaffinity(0, {core})

    with log.open("wb") as said:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(database, COPY), stdout=said, stderr=said, preexec_fn=enter
        )
    try:
        _wait_for(process, f"http://127.0.0.1:{port}/readyz")
        yield port, process.pid
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
