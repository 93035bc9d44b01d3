"""Commands whose database is away say so in one sentence, before anything else, and end with 1."""

import os
import subprocess
import sys
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.core.management import CommandError
from django.db import connection

from backend.engine.errors import Busy
from backend.engine.transactions import unit_of_work
from backend.logs.causes import in_postgresqls_words
from backend.management.database import require_migrated
from tests.serving import PATIENCE_SECONDS, ROOT, free_port

pytestmark = pytest.mark.django_db(transaction=True)

COMMANDS = [
    ["serve"],
    ["serve", "--migrate", "--demo"],
    ["verify"],
    ["demo"],
    ["token", "asha"],
    ["moderator", "asha"],
    ["expire_keys"],
    ["migrate"],
    ["changepassword", "asha"],
]


def run(database: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command over this database to its end."""
    environment = {**os.environ, "DATABASE_URL": database, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    more = ["--port", str(free_port())] if command[0] == "serve" else []
    return subprocess.run(
        [sys.executable, "manage.py", *command, *more],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def assert_one_sentence(done: subprocess.CompletedProcess[str], reason: str) -> None:
    assert done.returncode == 1
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith(("CommandError: The database", "Katha: The database"))
    assert reason in lines[0]
    assert "Traceback" not in lines[0]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_without_a_database_says_so(command: list[str]) -> None:
    """Whatever it would have done."""
    done = run(f"postgres://katha:a-secret@127.0.0.1:{free_port()}/katha", *command)
    assert_one_sentence(done, "Connection refused")
    assert "a-secret" not in done.stderr


@pytest.mark.parametrize("url", ["a-secret", "postgres://katha:a-secret@host:port/katha"])
def test_an_address_that_is_none_is_said_to_be_so(url: str) -> None:
    """And not repeated, for it may hold a password."""
    done = run(url, "verify")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Katha: DATABASE_URL cannot be read.")
    assert len(done.stderr.splitlines()) == 1
    assert "a-secret" not in done.stderr


@pytest.mark.parametrize("command", ["serve", "verify"])
def test_the_reason_is_named(served_database: str, command: str) -> None:
    """A database that does not exist, and a role that does not."""
    parts = urlsplit(served_database)
    elsewhere = urlunsplit(parts._replace(path="/nowhere"))
    assert_one_sentence(run(elsewhere, command), 'database "nowhere" does not exist')
    stranger = urlunsplit(parts._replace(netloc=f"stranger:a-secret@{parts.netloc.partition('@')[2]}"))
    done = run(stranger, command)
    assert_one_sentence(done, "stranger")
    assert "a-secret" not in done.stderr


@pytest.mark.parametrize("command", ["serve", "verify", "token asha", "demo"])
def test_a_database_that_was_never_migrated_is_said_to_be_so(served_database: str, command: str) -> None:
    """Before anything looks for a table."""
    bare = f"{connection.settings_dict['NAME']}_bare"
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {bare}")
        cursor.execute(f"CREATE DATABASE {bare} TEMPLATE template0")
    try:
        done = run(urlunsplit(urlsplit(served_database)._replace(path=f"/{bare}")), *command.split())
        assert_one_sentence(done, "manage.py migrate")
    finally:
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE {bare} WITH (FORCE)")


def test_a_database_that_is_up_to_date_is_taken() -> None:
    """And one that lacks a migration is not."""
    require_migrated()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'jobs' RETURNING app, name, applied")
        rows = cursor.fetchall()
    try:
        with pytest.raises(CommandError, match="lacks"):
            require_migrated()
    finally:
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO django_migrations (app, name, applied) VALUES (%s, %s, %s)", rows)


# --- The reason -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            'connection failed: connection to server at "127.0.0.1", port 1 failed: Connection refused\n'
            "\tIs the server running on that host and accepting TCP/IP connections?",
            'connection to server at "127.0.0.1", port 1 failed: Connection refused',
        ),
        (
            "Multiple connection attempts failed. All failures were:\n- host: 'a', port: '1': refused\n- host: 'b': refused",
            "- host: 'b': refused",
        ),
        ("", "OperationalError"),
    ],
)
def test_the_reason_is_one_line(message: str, said: str) -> None:
    """Of what may be several."""
    assert in_postgresqls_words(psycopg.OperationalError(message)) == said


def test_the_reason_is_found_below_what_was_made_of_it() -> None:
    """A unit of work makes a refusal of it."""

    def wait_too_long() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 1; SELECT pg_sleep(1)")

    with pytest.raises(Busy) as raised:
        unit_of_work(wait_too_long)
    assert in_postgresqls_words(raised.value) == "canceling statement due to statement timeout"


@pytest.mark.parametrize("error", [ValueError("a fault of ours"), psycopg.errors.UndefinedTable("the same")])
def test_a_fault_of_ours_is_not_an_outage(error: Exception) -> None:
    """Its traceback has to be seen."""
    assert in_postgresqls_words(error) is None
