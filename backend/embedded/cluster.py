"""Runs PostgreSQL's programs on one data folder: initialised once, checked and cleaned before every start."""

import os
import shutil
import subprocess
from pathlib import Path

from backend.embedded.account import choose_account
from backend.embedded.data_folder import (
    DATABASE,
    MAJOR,
    ROLE,
    WAY_OUT,
    DataFolder,
    EmbeddedError,
    binaries,
    claim_socket_folder,
    socket_folder,
)

Process = subprocess.Popen[bytes]

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}
SAFE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
FAST = dict.fromkeys(SAFE, "off")

INITDB = [
    f"--username={ROLE}",
    "--auth-local=trust",  # only the owner can enter the socket's folder
    "--auth-host=reject",
    "--encoding=UTF8",
    "--locale-provider=builtin",  # text sorts the same on every machine
    "--builtin-locale=C.UTF-8",
    "--locale=C",
]


class Cluster:
    """One data folder. Every program started on it inherits the server lock and ends with this process."""

    def __init__(self, place: DataFolder, server_lock: int, *, durable: bool) -> None:
        self.place = place
        self.server_lock = server_lock
        self.durable = durable
        self.sockets = socket_folder(place.data)
        self.bin = binaries()
        self.account = choose_account(self.bin / "postgres", place.data.parent)

    def serve(self) -> Process:
        """Start the server."""
        claim_socket_folder(self.sockets)
        if not self.place.exists:
            self._prepare()
        self._check()
        self._tidy()
        return self._start("postgres", "-D", str(self.place.data), *self._options())

    def _prepare(self) -> None:
        """Create the data folder and the database, atomically: an interrupted attempt leaves no data folder."""
        new = self.place.unfinished
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        self.account.own(new)
        hurry = [] if self.durable else ["--no-sync"]
        finish(self._start("initdb", *INITDB, *hurry, "-D", str(new)))
        single = self._start("postgres", "--single", "-D", str(new), "postgres", stdin=subprocess.PIPE)
        single.communicate(f"CREATE DATABASE {DATABASE}\n".encode())
        finish(single)
        try:
            new.rename(self.place.data)
        except OSError as error:
            raise EmbeddedError(f"{self.place.data} is in the way: {error}. Move it. {WAY_OUT}") from error

    def _check(self) -> None:
        """Refuse data of another PostgreSQL version, and take over data of another account of ours."""
        made_by = (self.place.data / "PG_VERSION").read_text().strip()
        if made_by != MAJOR:
            raise EmbeddedError(
                f"{self.place.data} was made by PostgreSQL {made_by}, not {MAJOR}. Move it away. {WAY_OUT}"
            )
        self.account.own(self.place.data)

    def _tidy(self) -> None:
        """Remove stale files of a killed server, or PostgreSQL could mistake another process for it.

        A number in a pid file may belong to any process by now. All processes of ours have ended: this one holds their
        lock.
        """
        pid_file = self.place.data / "postmaster.pid"
        if runs_here(pid_file, self.place.data):
            raise EmbeddedError(f"Somebody else runs a PostgreSQL in {self.place.data}. Stop it. {WAY_OUT}")
        pid_file.unlink(missing_ok=True)
        for left in self.sockets.glob(".s.PGSQL.*"):
            left.unlink(missing_ok=True)

    def _options(self) -> list[str]:
        """The server's settings, passed at every start, so that new settings apply to old data folders."""
        settings = SETTINGS | (SAFE if self.durable else FAST)
        settings["unix_socket_directories"] = str(self.sockets)
        return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    def _start(self, program: str, *arguments: str, stdin: int = subprocess.DEVNULL) -> Process:
        """Start one of PostgreSQL's programs."""
        return subprocess.Popen(
            [self.bin / program, *arguments],
            stdin=stdin,
            env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
            pass_fds=[self.server_lock],
            preexec_fn=self.account.enter,
        )


def finish(process: Process) -> None:
    """Wait for a step of the preparation; its output is in the log."""
    if process.wait():
        raise EmbeddedError(f"A new PostgreSQL could not be prepared (exit status {process.returncode}).")


def runs_here(pid_file: Path, data: Path) -> bool:
    """Whether the process in the pid file is alive and has the data folder as its working directory, like PostgreSQL."""
    try:
        pid = int(pid_file.read_text().split()[0])
        return Path(f"/proc/{pid}/cwd").readlink() == data
    except (OSError, ValueError, IndexError):
        return False
