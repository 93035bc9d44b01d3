"""Where drafts and unsent writes are kept: in memory, or in a file that survives a restart."""

import sqlite3
import threading
from pathlib import Path
from typing import Protocol


class Store(Protocol):
    """Texts by kind and name, in the order in which they were first put."""

    def put(self, kind: str, name: str, text: str) -> None:
        """Keep a text, in its old place if there is one. It is kept for good when this returns."""

    def get(self, kind: str, name: str) -> str | None:
        """The text, or None."""

    def drop(self, kind: str, name: str) -> None:
        """Keep it no longer."""

    def all(self, kind: str) -> list[tuple[str, str]]:
        """The names and texts of a kind, in order."""


class MemoryStore:
    """Keeps until the program ends."""

    def __init__(self) -> None:
        self._texts: dict[tuple[str, str], str] = {}

    def put(self, kind: str, name: str, text: str) -> None:
        """Keep a text."""
        self._texts[kind, name] = text

    def get(self, kind: str, name: str) -> str | None:
        """The text, or None."""
        return self._texts.get((kind, name))

    def drop(self, kind: str, name: str) -> None:
        """Keep it no longer."""
        self._texts.pop((kind, name), None)

    def all(self, kind: str) -> list[tuple[str, str]]:
        """The names and texts of a kind, in order."""
        return [(name, text) for (of, name), text in list(self._texts.items()) if of == kind]


class FileStore:
    """Keeps in one SQLite file, so that a crash between two writes leaves the one or the other."""

    def __init__(self, path: str | Path) -> None:
        """Raises sqlite3.Error if the file cannot be made, or is none."""
        self._lock = threading.Lock()
        self._file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS kept (place INTEGER PRIMARY KEY, kind TEXT, name TEXT, text TEXT, UNIQUE (kind, name))"
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def put(self, kind: str, name: str, text: str) -> None:
        """Keep a text, in its old place if there is one."""
        self._run(
            "INSERT INTO kept (kind, name, text) VALUES (?, ?, ?) ON CONFLICT (kind, name) DO UPDATE SET text = excluded.text",
            kind,
            name,
            text,
        )

    def get(self, kind: str, name: str) -> str | None:
        """The text, or None."""
        return next(
            (text for (text,) in self._run("SELECT text FROM kept WHERE kind = ? AND name = ?", kind, name)), None
        )

    def drop(self, kind: str, name: str) -> None:
        """Keep it no longer."""
        self._run("DELETE FROM kept WHERE kind = ? AND name = ?", kind, name)

    def all(self, kind: str) -> list[tuple[str, str]]:
        """The names and texts of a kind, in order."""
        return [
            (name, text) for name, text in self._run("SELECT name, text FROM kept WHERE kind = ? ORDER BY place", kind)
        ]

    def _run(self, statement: str, *values: str) -> list[tuple[str, ...]]:
        # One connection, so one statement at a time: the lock is held over I/O.
        with self._lock:
            return self._file.execute(statement, values).fetchall()
