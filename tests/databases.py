"""The tests' databases: migrated once, copied for each process of a run, and kept until migrations or PostgreSQL change."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from psycopg import sql

MAKING = 0x6B617468
"""The lock of whoever makes a database: processes that start at the same moment wait until the first has migrated it."""

USING = 0x7573
"""The lock of whoever uses a database, with a second number for its name."""


@contextmanager
def database(*, fresh: bool) -> Iterator[None]:
    """Connects to this process's database; it is made where there is none that is up to date, or if it has to be fresh.

    What a database was made from stands in its comment. Nobody else uses it meanwhile: two runs would clear away what the
    other one has written.
    """
    template, name = f"test_{connection.settings_dict['NAME']}_template", connection.creation._get_test_db_name()
    connection.close()
    with _maintenance() as cursor:
        state = _state(cursor)
        if fresh or _comment(cursor, name) != state:
            if _comment(cursor, template) != state:
                _make(cursor, template, sql.SQL("TEMPLATE template0"))
                _connect_to(template)
                call_command("migrate", verbosity=0)
                connection.close()
                _say(cursor, template, state)
            _make(cursor, name, sql.SQL("TEMPLATE {}").format(sql.Identifier(template)))
            _say(cursor, name, state)
    _connect_to(name)
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", [USING, name])
        if cursor.fetchone() != (True,):
            raise RuntimeError(f"Another run of the tests uses the database {name}. Wait until it ends.")
        yield


@contextmanager
def _maintenance() -> Iterator[Any]:
    """A cursor of another database, alone with it."""
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', '0', false), set_config('lock_timeout', '0', false)")
        cursor.execute("SELECT pg_advisory_lock(%s)", [MAKING])
        yield cursor  # its connection is closed next, and the lock with it


def _state(cursor: Any) -> str:
    """What a database is made from: PostgreSQL, all migrations, those of the libraries among them, and who writes triggers."""
    cursor.execute("SELECT version()")
    found = hashlib.sha256(cursor.fetchone()[0].encode())
    folders = [Path(app.path, "migrations") for app in apps.get_app_configs()]
    for folder in (*folders, *(Path(apps.get_app_config(name).path) for name in ("engine", "changes"))):
        for path in sorted(folder.glob("*.py")):
            found.update(f"{folder.parent.name} {path.name}\n".encode() + path.read_bytes())
    return found.hexdigest()


def _comment(cursor: Any, name: str) -> str | None:
    cursor.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name])
    row = cursor.fetchone()
    return None if row is None else row[0]


def _say(cursor: Any, name: str, state: str) -> None:
    cursor.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(state)))


def _make(cursor: Any, name: str, like: sql.Composable) -> None:
    """Make a database anew, whoever uses the one that was."""
    cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
    cursor.execute(sql.SQL("CREATE DATABASE {} {}").format(sql.Identifier(name), like))


def _connect_to(name: str) -> None:
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name
