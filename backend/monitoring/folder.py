"""The folder in which the processes of a server store their metrics, so that any of them can add them up.

prometheus_client reads `PROMETHEUS_MULTIPROC_DIR` once, when it is imported. So `open_folder` must be called before
Django is set up, and this module imports neither of them.
"""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
LOCK = "lock"

_held: list[int] = []
"""The open lock on this server's folder. Its worker processes inherit it, so it is held until the last of them ends."""


def open_folder(data: Path) -> Path:
    """Create the folder of a new server and set it in the environment. Removes the folders of servers that have ended."""
    parent = data / "metrics"
    parent.mkdir(parents=True, exist_ok=True)
    with (parent / LOCK).open("w") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        for left in parent.iterdir():
            if left.is_dir() and not in_use(left):
                shutil.rmtree(left, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(dir=parent))
        _held.append(os.open(fresh / LOCK, os.O_CREAT | os.O_RDWR))
        fcntl.flock(_held[-1], fcntl.LOCK_EX)
    os.environ[VARIABLE] = str(fresh)
    return fresh


def in_use(folder: Path) -> bool:
    """Whether a process of the folder's server still runs."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def folder() -> Path | None:
    """The folder of this server; None for a single process that stores no metrics."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else None


def folders(data: Path) -> list[Path]:
    """The folders of all servers on this data folder, and the one set in the environment."""
    parent = data / "metrics"
    found = {one for one in parent.iterdir() if in_use(one)} if parent.is_dir() else set()
    mine = folder()
    return sorted(found | {mine} if mine else found)
