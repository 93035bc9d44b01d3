"""The supervisor process: runs PostgreSQL on a data folder and stops it when no process uses it.

Started only by `backend.embedded.users`: python -m backend.embedded DATA LOCK [durable]
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from fcntl import LOCK_UN, flock
from pathlib import Path
from typing import NoReturn

from backend.embedded.cluster import Cluster, Process
from backend.embedded.data_folder import SOCKET, DataFolder, EmbeddedError, alone, open_lock
from backend.embedded.exit_reason import SUPERVISOR, how_it_ended

LINGER = 1.0  # seconds that an unused server stays up, so that the next command need not start it again
TICK = 0.2
LOG_LIMIT = 10_000_000  # bytes
STOPPING = 2.0  # seconds that PostgreSQL may take to end after it has removed its socket


def wait_until_unused(postgres: Process, users: int, socket: Path) -> None:
    """Return when there has been no user for a while, holding their lock.

    Raises `EmbeddedError` when PostgreSQL has ended by itself, or can no longer be reached because its socket has gone.
    """
    last_used = time.monotonic()
    reachable = False
    while postgres.poll() is None:
        if socket.exists():
            reachable = True
        elif reachable:
            with contextlib.suppress(subprocess.TimeoutExpired):
                postgres.wait(STOPPING)
                break
            raise EmbeddedError(f"its socket {socket} has gone, so nobody can reach PostgreSQL")
        if not alone(users):
            last_used = time.monotonic()
        elif time.monotonic() - last_used > LINGER:
            return
        else:
            flock(users, LOCK_UN)
        shorten_log()
        with contextlib.suppress(subprocess.TimeoutExpired):
            postgres.wait(TICK)
    raise EmbeddedError(f"PostgreSQL has ended by itself: {how_it_ended(postgres.returncode)}")


def shorten_log() -> None:
    """Truncate the log, which is this process's own output, when it is too long."""
    if os.fstat(sys.stdout.fileno()).st_size > LOG_LIMIT:
        os.ftruncate(sys.stdout.fileno(), 0)


def stop(postgres: Process) -> None:
    """Stop PostgreSQL: first by a fast shutdown, then, after a timeout, by force."""
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, signal.SIG_IGN)
    for ending, timeout in ((signal.SIGINT, 60), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
        if postgres.poll() is None:
            postgres.send_signal(ending)
            with contextlib.suppress(subprocess.TimeoutExpired):
                postgres.wait(timeout)


def leave(_signal: int, _frame: object) -> NoReturn:
    """Signal handler: exit in a way that runs the clean-up."""
    sys.exit(f"{SUPERVISOR}it was told to stop")


def supervise(place: DataFolder, server_lock: int, *, durable: bool) -> None:
    """Run the server until it is unused, ends by itself, or a signal asks to stop."""
    users = open_lock(place.users_lock)
    cluster = Cluster(place, server_lock, durable=durable)
    try:
        postgres = cluster.serve()
        try:
            wait_until_unused(postgres, users, cluster.sockets / SOCKET)
        finally:
            stop(postgres)
    finally:
        with contextlib.suppress(OSError):
            cluster.sockets.rmdir()


def main(arguments: Sequence[str]) -> None:
    """Detach from the process that started this one, then supervise."""
    data, server_lock, *durable = arguments
    if os.fork():
        os._exit(0)
    os.umask(0o077)
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, leave)
    try:
        supervise(DataFolder(Path(data)), int(server_lock), durable=bool(durable))
    except (EmbeddedError, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"{SUPERVISOR}{error}")


if __name__ == "__main__":
    main(sys.argv[1:])
