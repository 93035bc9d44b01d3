"""Why there is no connection is said in words, by kind, whatever PostgreSQL quotes in its message."""

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, connections

from backend.engine.metrics import REGISTRY
from backend.logs.causes import CONNECTION_CAUSES, cause, connection_cause, database_facts
from tests.api.http import Client
from tests.logged import Logged
from tests.races.rows import query
from tests.serving import free_port

pytestmark = pytest.mark.django_db(transaction=True)

MARK = "a-secret-name"
RENAME = f'''
mutation {{
  updateProfile(patch: {{name: "{MARK}"}}, expect: {{version: "1"}}) {{ ... on Failure {{ code }} }}
}}
'''


def execute(sql: str) -> None:
    """A statement that returns no rows."""
    with connection.cursor() as cursor:
        cursor.execute(sql)


def error_of(**changed: Any) -> psycopg.Error:
    """The error of a connection with other parameters than those that work."""
    parameters = {**connection.get_connection_params(), **changed}
    parameters.pop("cursor_factory", None)
    parameters.pop("context", None)
    with pytest.raises(psycopg.Error) as caught:
        psycopg.connect(**parameters)
    return caught.value


@contextmanager
def a_server_that_says(sqlstate: str, message: str) -> Iterator[int]:
    """The port of a server that refuses everybody with these words, as PostgreSQL sends them."""
    fields = b"".join(
        kind + text.encode() + b"\0" for kind, text in ((b"S", "FATAL"), (b"C", sqlstate), (b"M", message))
    )
    answer = b"E" + struct.pack("!I", len(fields) + 5) + fields + b"\0"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client:
                        client.recv(1000)
                        client.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


@pytest.fixture
def role() -> Iterator[str]:
    """A role of PostgreSQL that may sign in, but has no connections."""
    name = f"{MARK} of {connection.settings_dict['NAME']}"
    execute(f'DROP ROLE IF EXISTS "{name}"')
    execute(f'CREATE ROLE "{name}" LOGIN CONNECTION LIMIT 0')
    yield name
    execute(f'DROP ROLE "{name}"')


def test_nobody_listens() -> None:
    """On the port, or at the socket."""
    for where in ({"host": "127.0.0.1", "port": free_port()}, {"host": f"/tmp/{MARK}", "port": 5432}):
        assert connection_cause(error_of(**where)) == "refused"


def test_there_is_no_such_host() -> None:
    """Its name is not repeated."""
    assert connection_cause(error_of(host=f"{MARK}.invalid")) == "host"


def test_there_is_no_such_database_or_role(role: str) -> None:
    """By PostgreSQL's own messages, which quote the names."""
    assert connection_cause(error_of(dbname=MARK)) == "no_database"
    assert connection_cause(error_of(user=MARK)) == "password"
    execute(f'ALTER ROLE "{role}" NOLOGIN')
    assert connection_cause(error_of(user=role)) == "password"


def test_there_are_too_many(role: str) -> None:
    """For the role; for all, see below."""
    error = error_of(user=role)
    assert MARK in str(error)
    assert connection_cause(error) == "too_many"
    assert MARK not in json.dumps(database_facts(error))


SAID = [
    ("28P01", f'password authentication failed for user "{MARK}"', "password"),
    ("28000", f'no pg_hba.conf entry for host "127.0.0.1", user "{MARK}", database "x", no encryption', "password"),
    ("28000", f'pg_hba.conf rejects connection for host "127.0.0.1", user "{MARK}", database "x"', "password"),
    ("53300", "sorry, too many clients already", "too_many"),
    ("53300", "remaining connection slots are reserved for roles with the SUPERUSER attribute", "too_many"),
    ("53300", f'too many connections for database "{MARK}"', "too_many"),
    ("57P03", "the database system is starting up", "starting"),
    ("57P03", "the database system is shutting down", "starting"),
    ("57P03", "the database system is not yet accepting connections", "starting"),
    ("XX000", f"something about {MARK}", "other"),
]


@pytest.mark.parametrize(("sqlstate", "message", "kind"), SAID, ids=lambda value: value[:30])
def test_what_a_server_says_is_told_apart(sqlstate: str, message: str, kind: str) -> None:
    """Only the words are passed on."""
    with a_server_that_says(sqlstate, message) as port:
        error = error_of(host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")
    assert message in str(error)
    assert connection_cause(error) == kind
    assert database_facts(error) == {"cause": CONNECTION_CAUSES[kind]}


def test_nobody_answers() -> None:
    """A port that takes connections, and nobody behind it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        error = error_of(host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable", connect_timeout=2)
    assert connection_cause(error) == "timeout"


def test_every_other_error_is_called_as_the_manual_calls_it() -> None:
    """And not as its message does, which quotes."""
    with pytest.raises(Exception, match=MARK) as caught:
        query("SELECT %s::text::int", MARK)
    facts = database_facts(caught.value)
    assert facts == {"cause": "invalid text representation", "sqlstate": "22P02"}
    assert cause(psycopg.errors.UniqueViolation()) == "unique violation"
    assert database_facts(LookupError(MARK)) == {}


def test_a_connection_that_fails_is_counted_and_said_where_it_is_missed(
    logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By kind: for a query, a mutation and /readyz."""
    settings = {**connection.get_connection_params(), "host": "127.0.0.1", "port": free_port()}
    before = counted("refused")
    connection.close()
    with monkeypatch.context() as patch:
        patch.setattr(connections["default"], "get_connection_params", lambda: settings)
        with pytest.raises(OperationalError):
            connection.ensure_connection()
        for document in (f'{{ person(handle: "{MARK}") {{ id }} }}', RENAME):
            body = json.dumps({"query": document})
            headers = {"Authorization": f"Bearer {MARK}"}
            answer = Client().post("/graphql", body, content_type="application/json", headers=headers)
            assert b'"BUSY"' in answer.content
        assert Client().get("/readyz").status_code == 503
    assert counted("refused") - before >= 4
    words = CONNECTION_CAUSES["refused"]
    assert logged.counts("event", "cause") == {("busy", words): 2, ("not ready", words): 1}
    assert MARK not in json.dumps(logged.lines())


def counted(kind: str) -> float:
    """How many connections failed so."""
    return REGISTRY.get_sample_value("katha_connection_errors_total", {"cause": kind}) or 0
