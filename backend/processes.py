"""What commands that start processes share: their arguments, and that a child ends with its parent."""

import ctypes
import signal
import sys
from argparse import ArgumentTypeError

PR_SET_PDEATHSIG = 1
MAX_PROCESSES = 256


def die_with_parent() -> None:
    """Have this process killed when the one that has started it ends. Only Linux can do that; elsewhere it does nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def process_count(text: str) -> int:
    """An argument that says how many processes or threads. Raises `ArgumentTypeError`."""
    return whole_number(text, 1, MAX_PROCESSES)


def whole_number(text: str, least: int, most: int) -> int:
    """An argument that is a number of this range. Raises `ArgumentTypeError`."""
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise ArgumentTypeError(f"must be a whole number from {least} to {most}, not {text!r}")
    return int(text)
