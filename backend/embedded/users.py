"""Uses the embedded PostgreSQL: joins the running server, or starts one."""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from backend.embedded.data_folder import (
    DATABASE,
    MAJOR,
    ROLE,
    WAY_OUT,
    DataFolder,
    EmbeddedError,
    alone,
    binaries,
    is_private,
    open_lock,
    socket_folder,
)

START_TIMEOUT_SECONDS = 120.0  # seconds; a start takes about one, but crash recovery can take long
PAUSE = 0.05

_held: set[int] = set()


def _release_in_fork() -> None:
    """Close the locks that a forked child inherited, so that it does not count as a user."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_release_in_fork)


@contextmanager
def running(data: Path, *, durable: bool, report: Callable[[str], None] | None = None) -> Iterator[Path]:
    """Keep a PostgreSQL running on this data folder while the block runs; yields its socket folder.

    `durable=False` trades safety for speed: committed writes may be lost when the machine crashes.
    """
    place = DataFolder(data.resolve())
    folder = socket_folder(place.data)
    with _as_user(place):
        try:
            _join(place, folder, durable=durable, report=report or _silent)
        except OSError as error:
            raise EmbeddedError(f"PostgreSQL cannot run in {place.data}: {error}. {WAY_OUT}") from error
        yield folder


def _silent(_: str) -> None:
    """Report nothing."""


@contextmanager
def _as_user(place: DataFolder) -> Iterator[None]:
    """Hold the users' lock. Waits while a supervisor stops the previous server."""
    try:
        place.data.parent.mkdir(parents=True, exist_ok=True)
        descriptor = open_lock(place.users_lock)
    except OSError as error:
        raise EmbeddedError(f"PostgreSQL's folder cannot be used: {error}. {WAY_OUT}") from error
    _held.add(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        if descriptor in _held:  # in a forked child it is closed already
            _held.remove(descriptor)
            os.close(descriptor)


def _join(place: DataFolder, folder: Path, *, durable: bool, report: Callable[[str], None]) -> None:
    """Wait until the server answers; start it if no process has."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    started = False
    while (version := _version(place, folder, durable=durable)) is None:
        descriptor = open_lock(place.server_lock)
        try:
            if alone(descriptor):
                if started:
                    raise EmbeddedError(f"PostgreSQL did not start. {_end_of_log(place)}")
                _start(place, descriptor, durable=durable, report=report)
                started = True
        finally:
            os.close(descriptor)
        if time.monotonic() > deadline:
            raise EmbeddedError(f"PostgreSQL does not answer on {folder}. {_end_of_log(place)}")
        time.sleep(PAUSE)
    report(f"PostgreSQL {version} is ready" if started else f"PostgreSQL {version} is running already")


def _version(place: DataFolder, folder: Path, *, durable: bool) -> str | None:
    """The version of the server that answers on the socket, or None if none does."""
    if not is_private(folder):
        return None
    try:
        with psycopg.connect(host=str(folder), port=5432, user=ROLE, dbname=DATABASE, connect_timeout=10) as connection:
            row = connection.execute("SELECT current_setting('server_version'), current_setting('fsync')").fetchone()
    except psycopg.OperationalError:
        return None
    if row is None or (durable and row[1] != "on"):
        raise EmbeddedError(f"The PostgreSQL that runs in {place.data} is not durable. End its users first.")
    return str(row[0])


def _start(place: DataFolder, descriptor: int, *, durable: bool, report: Callable[[str], None]) -> None:
    """Start a supervisor in the background and pass it the lock."""
    binaries()
    if not place.exists:
        report(f"Preparing a new PostgreSQL {MAJOR} in {place.data}")
    command = [sys.executable, "-m", "backend.embedded", str(place.data), str(descriptor)]
    with os.fdopen(os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
        log.truncate(0)
        done = subprocess.run(
            command + ["durable"] * durable,
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[descriptor],
            start_new_session=True,
            check=False,
        )
    if done.returncode:
        raise EmbeddedError(f"PostgreSQL's supervisor did not start. {_end_of_log(place)}")


def _end_of_log(place: DataFolder) -> str:
    """The end of the log, which says what went wrong, and what to do."""
    lines = place.log.read_text(errors="replace").splitlines() if place.log.exists() else []
    return "\n  ".join([f"The end of {place.log}:", *lines[-15:]]) + f"\n{WAY_OUT}"
