"""Helpers for commands that start processes: their arguments, forks that must wait, and ending a child with its parent."""

import ctypes
import os
import resource
import signal
import sys
import threading
from argparse import ArgumentTypeError
from functools import cache

from django.conf import settings

PR_SET_PDEATHSIG = 1
MAX_PROCESSES = 256
OTHER_FILES = 256
"""File descriptors that a process of the server needs besides its connections."""

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


@cache
def max_connections() -> int:
    """How many connections a process of the server can have. Raises its limit of open files as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.CONNECTIONS + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return (
        settings.CONNECTIONS
        if soft == resource.RLIM_INFINITY
        else max(min(settings.CONNECTIONS, soft - OTHER_FILES), 1)
    )
