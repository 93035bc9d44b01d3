"""Processor time and memory of process trees, as the operating system accounts for them."""

import ctypes
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
SCHEDULED = 2
"""CPUCLOCK_SCHED: the clock of a process that counts what all its threads have used, ended ones too, in nanoseconds."""
PR_SET_PDEATHSIG = 1
SECONDS_PER_TICK = 1 / os.sysconf("SC_CLK_TCK")


def processor_seconds(root: int) -> float:
    """Processor seconds of a process and all its descendants, including those that have ended."""
    while True:
        before = set(tree(root))
        try:
            used = sum(time.clock_gettime((~pid << 3) | SCHEDULED) for pid in before)
            used += _of_ended_children(root)
        except OSError:  # it has just ended
            continue
        if before == set(tree(root)):
            return used


def tree(root: int) -> Iterator[int]:
    """A process and its descendants."""
    yield root
    try:
        threads = list((PROC / str(root) / "task").iterdir())
    except OSError:  # the process has ended
        return
    for thread in threads:
        try:
            children = (thread / "children").read_text().split()
        except OSError:  # the thread has
            continue
        for child in children:
            yield from tree(int(child))


def _of_ended_children(pid: int) -> float:
    """Processor seconds of children that have ended and been waited for, as PostgreSQL does for its backends."""
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    user, system = fields[13:15]  # cutime and cstime: 16 and 17 in proc(5), the first two are before the bracket
    return (int(user) + int(system)) * SECONDS_PER_TICK


def megabytes(root: int) -> float:
    """The memory of a process and its descendants in MB, with shared memory counted proportionally (PSS)."""
    kilobytes = 0
    for pid in tree(root):
        try:
            found = re.search(r"^Pss:\s+(\d+) kB$", (PROC / str(pid) / "smaps_rollup").read_text(), re.MULTILINE)
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            continue
        kilobytes += int(found[1]) if found else 0
    return kilobytes / 1024


def pin(pid: int, cores: set[int]) -> None:
    """Pin a process, its threads, and the processes that they start, to these processors."""
    for task in (PROC / str(pid) / "task").iterdir():
        os.sched_setaffinity(int(task.name), cores)


def end_with_parent() -> None:
    """In a new process: end with the parent, however that ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
