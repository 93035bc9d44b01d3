"""Helpers for commands that start processes: their arguments, forks that must wait, and ending a child with its parent."""

import ctypes
import os
import signal
import sys
import threading
from argparse import ArgumentTypeError

PR_SET_PDEATHSIG = 1
MAX_PROCESSES = 256

NO_FORKS = threading.Lock()
"""Held while a thread starts a process, or has open what a forked child must not keep. Popen waits until all copies of a pipe are
closed: a server process that was forked meanwhile would keep one, and nothing would ever be started again. So a fork waits for
the few milliseconds that a start takes, although that is I/O.
"""
os.register_at_fork(before=NO_FORKS.acquire, after_in_parent=NO_FORKS.release, after_in_child=NO_FORKS.release)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends. Does nothing except on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def process_count(text: str) -> int:
    """Parse a number of processes or threads. Raises `ArgumentTypeError`."""
    return whole_number(text, 1, MAX_PROCESSES)


def whole_number(text: str, minimum: int, maximum: int) -> int:
    """Parse a whole number in this range. Raises `ArgumentTypeError`."""
    if not text.isascii() or not text.isdigit() or not minimum <= int(text) <= maximum:
        raise ArgumentTypeError(f"must be a whole number from {minimum} to {maximum}, not {text!r}")
    return int(text)
