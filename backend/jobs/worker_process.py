"""Runs a worker as a child process of the server: restarted when it ends, and ended with the server."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.processes import NO_FORKS

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0
"""The wait before a restart; it doubles as long as no worker lives longer than the longest pause."""
GLANCE_SECONDS = 0.2
STOP_TIMEOUT_SECONDS = 8.0
"""How long the worker may take to stop; it interrupts its own jobs earlier."""
BASE = Path(__file__).resolve().parents[2]


@contextmanager
def worker_process() -> Iterator[None]:
    """Keep a worker running while the block runs."""
    over = threading.Event()
    keeper = threading.Thread(target=_keep, args=[over], name="keeper of the worker", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()


def _keep(over: threading.Event) -> None:
    """Runs in a thread that lives as long as the server, because a worker ends with the thread that started it."""
    pause = FIRST_PAUSE_SECONDS
    while not over.is_set():
        began = time.monotonic()
        process = _start()
        while process.poll() is None and not over.wait(GLANCE_SECONDS):
            pass
        if process.poll() is None:
            _stop(process)
            return
        lasted = time.monotonic() - began > LONGEST_PAUSE_SECONDS
        pause = FIRST_PAUSE_SECONDS if lasted else min(LONGEST_PAUSE_SECONDS, pause * 2)
        over.wait(pause)


def _start() -> "subprocess.Popen[bytes]":
    """Start a worker in its own process group: Ctrl-C in a terminal reaches only the server, which then stops the
    worker.

    Not by manage.py, because the server keeps the embedded PostgreSQL running already.
    """
    command = [sys.executable, "-m", "django", "worker", "--parent", str(os.getpid())]
    with NO_FORKS:  # held over I/O, see there
        return subprocess.Popen(command, cwd=BASE, stdin=subprocess.DEVNULL, process_group=0)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
