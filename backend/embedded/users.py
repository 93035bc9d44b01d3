"""Uses the embedded PostgreSQL: joins the running server, or starts one."""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event

import psycopg

from backend.embedded.data_folder import (
    DATABASE,
    MAJOR,
    ROLE,
    WAY_OUT,
    DataFolder,
    DidNotStart,
    EmbeddedError,
    alone,
    binaries,
    is_private,
    open_lock,
    socket_folder,
)
from backend.processes import NO_FORKS

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
            join_server(place, folder, durable=durable, report=report or silent, over=Event())
        except DidNotStart as error:
            raise EmbeddedError(f"{error} {_end_of_log(place)}") from error
        except OSError as error:
            raise EmbeddedError(f"PostgreSQL cannot run in {place.data}: {error}. {WAY_OUT}") from error
        yield folder


def silent(_: str) -> None:
    """Report nothing."""


@contextmanager
def _as_user(place: DataFolder) -> Iterator[None]:
    """Hold the users' lock. Waits while a supervisor stops the previous server."""
    try:
        place.data.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _opened(place.users_lock)
    except OSError as error:
        raise EmbeddedError(f"PostgreSQL's folder cannot be used: {error}. {WAY_OUT}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        _close(descriptor)


def _opened(path: Path) -> int:
    """A lock that a child forked at any moment closes."""
    with NO_FORKS:
        descriptor = open_lock(path)
        _held.add(descriptor)
    return descriptor


def _close(descriptor: int) -> None:
    with NO_FORKS:
        if descriptor in _held:  # in a forked child it is closed already
            _held.remove(descriptor)
            os.close(descriptor)


@contextmanager
def _server_lock(place: DataFolder) -> Iterator[int]:
    descriptor = _opened(place.server_lock)
    try:
        yield descriptor
    finally:
        _close(descriptor)


def lives(place: DataFolder) -> bool:
    """Whether any process of the server lives, be it that it starts or stops."""
    with _server_lock(place) as descriptor:
        return not alone(descriptor)


def join_server(place: DataFolder, folder: Path, *, durable: bool, report: Callable[[str], None], over: Event) -> None:
    """Wait until the server answers, or until `over`; start it if no process has. Raises `DidNotStart`."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    started = False
    while (version := _version(place, folder, durable=durable)) is None:
        with _server_lock(place) as descriptor:
            if alone(descriptor):
                if started:
                    raise DidNotStart("PostgreSQL did not start.")
                _start(place, descriptor, durable=durable, report=report)
                started = True
        if time.monotonic() > deadline:
            raise DidNotStart(f"PostgreSQL does not answer on {folder}.")
        if over.wait(PAUSE):
            return
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
    with suppress(FileNotFoundError):
        place.log.replace(place.last_log)
    # The lock is held over I/O, see there.
    with os.fdopen(os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log, NO_FORKS:
        starter = subprocess.Popen(
            command + ["durable"] * durable,
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[descriptor],
            start_new_session=True,
        )
    if starter.wait():
        raise DidNotStart("PostgreSQL's supervisor did not start.")


def _end_of_log(place: DataFolder) -> str:
    """The end of the log, which says what went wrong, and what to do."""
    lines = place.log.read_text(errors="replace").splitlines() if place.log.exists() else []
    return "\n  ".join([f"The end of {place.log}:", *lines[-15:]]) + f"\n{WAY_OUT}"
