"""Helpers for commands that start processes: their arguments, and ending a child with its parent."""

import ctypes
import signal
import sys
from argparse import ArgumentTypeError

PR_SET_PDEATHSIG = 1
MAX_PROCESSES = 256


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
