"""A cursor is refused where its numbers are of other transactions: after a restore, a crash or a failover."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from backend.changes import log
from backend.changes.log import Cursor, CursorExpired
from backend.embedded import DATABASE, ROLE, running
from backend.embedded.data_folder import binaries
from tests.api import ApiClient
from tests.races.rivals import until

pytestmark = pytest.mark.django_db(transaction=True)

WRITE = "UPDATE people_person SET bio = bio || '.', version = version + 1, bio_changed = version + 1"
RECORDED = ("--exclude-table-data=changes_*", "--format=custom", "--no-owner")


CLUSTER = "SELECT system_identifier FROM pg_control_system()"


class Elsewhere:
    """A database of another server, as the log is read there."""

    def __init__(self, sockets: Path, name: str = DATABASE) -> None:
        self.where = {"host": str(sockets), "port": "5432", "user": ROLE, "dbname": name}

    def ask(self, query: Any, **values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(**self.where, autocommit=True) as db:
            found = db.execute(query, values or None)
            return found.fetchall() if found.description else []

    def begin(self) -> Cursor:
        return Cursor(*self.ask(log.BEGIN)[0])

    def since(self, at: Cursor) -> list[log.Entry]:
        (row,) = self.ask(log.SINCE, identity=at.identity, snapshot=at.snapshot)
        return log.read(*row)[1]

    def refuses(self, at: Cursor) -> bool:
        try:
            self.since(at)
        except CursorExpired:
            return True
        return False


def run(program: str, where: dict[str, Any], *words: str) -> None:
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE", "password": "PGPASSWORD"}
    given = {names[name]: str(value) for name, value in where.items() if name in names and value}
    subprocess.run([binaries() / program, *words], env={**os.environ, **given}, check=True, capture_output=True)


def restored(dump: Path, into: Elsewhere) -> None:
    run("pg_restore", into.where, "--no-owner", f"--dbname={into.where['dbname']}", str(dump))


def crash(there: Elsewhere) -> None:
    """Let a session of the server die, as by a fault of PostgreSQL's, and wait until it has recovered.

    The one that dies is lost before the server has noticed, and until then the server lets everybody in. Once it ends the other
    session too, it lets nobody in before it has recovered.
    """
    with psycopg.connect(**there.where, autocommit=True) as other:
        with psycopg.connect(**there.where, autocommit=True) as db:
            os.kill(db.info.backend_pid, signal.SIGKILL)
        until(lambda: is_lost(other), "the server to end the other sessions")
    until(lambda: not is_away(there), "the server to recover")


def is_lost(db: "psycopg.Connection[Any]") -> bool:
    try:
        db.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


def is_away(there: Elsewhere) -> bool:
    try:
        there.ask("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


def test_a_cursor_is_good_for_one_log_only(asha: ApiClient, tmp_path: Path) -> None:
    """A dump that was restored in another cluster, or in another database of the same; a crash; a standby that took over. What
    was written after each would be missing for ever, and nobody would say so. A clean restart changes nothing.
    """
    at = log.begin()
    asha.update_profile({"bio": "x"}, "1")
    dump = tmp_path / "katha.dump"
    run("pg_dump", connection.get_connection_params(), *RECORDED, f"--file={dump}")
    data, standby = tmp_path / "a" / "postgres", tmp_path / "b" / "postgres"

    with running(data, durable=True) as sockets:
        there = Elsewhere(sockets)
        restored(dump, there)
        here = there.begin()
        there.ask(WRITE)
        assert [(one.kind, one.version) for one in there.since(here)] == [("p", 3)]
        assert there.refuses(at)
        there.ask("CREATE DATABASE other")
        other = Elsewhere(sockets, "other")
        restored(dump, other)
        assert other.refuses(here)

    with running(data, durable=True):
        assert [(one.kind, one.version) for one in there.since(here)] == [("p", 3)]
        crash(there)
        assert there.refuses(here)
        here, cluster = there.begin(), there.ask(CLUSTER)
        standby.parent.mkdir()
        run("pg_basebackup", there.where, f"--pgdata={standby}", "--checkpoint=fast", "--wal-method=stream")
        (standby / "standby.signal").touch()

    with running(standby, durable=True) as sockets:
        after = Elsewhere(sockets)
        assert after.ask(CLUSTER) == cluster
        after.ask("SELECT pg_promote()")
        until(lambda: not after.ask("SELECT pg_is_in_recovery()")[0][0], "the standby to take over")
        after.ask(WRITE)
        assert after.refuses(here)
        assert len(after.since(after.begin())) == 0
