"""Measures the statements of some queries while the tables grow.

`python -m bench.grow 1000 10000` fills the database of its settings step by step, and prints a line of
JSON for each query and size.
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import django
from django.apps import apps
from django.db import connection

if not apps.ready:  # as a program
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
    django.setup()

import orjson
import psycopg
from psycopg import sql

from backend.postgresql.reads import OPTIONS, Row, Statement
from bench.account import processor_seconds
from bench.count import POLICY, POST
from bench.data import global_id
from bench.growth import NAME, Point
from bench.limit import sql_of
from bench.reads import FEED, STORY
from bench.scripts import Request, Wrong
from schema.server import in_process
from schema.server import requests as server
from schema.server.http import respond

RUNS = 200
"""How often each statement is run for its processor time."""
TOKEN = "bench-growth"

ID = """
CREATE FUNCTION bench_id(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
$$ SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '70008000000000000000')::uuid $$
"""
"""The id of the row with this number, in the order of numbers as ids of this kind are."""

VIEWER = """
INSERT INTO people_account (person_id, login, password, is_active, is_staff, is_moderator)
VALUES (bench_id(1), 'p1', '', TRUE, FALSE, FALSE);
INSERT INTO people_accesstoken (digest, account_id, created_at, last_used_at, expires_at)
VALUES (sha256('bench-growth'), bench_id(1), now(), now(), now() + interval '90 days')
"""

FOLLOWERS = """
query ($handle: String!) {
  person(handle: $handle) { followers(first: 20) { totalCount edges { node { id handle name relationship { following } } } } }
}
"""
SEARCH = "query ($text: String!) { stories(filter: {text: $text}, first: 20) { edges { node { id title author { name } } } } }"


def queries() -> dict[str, Request]:
    """The queries, by what they are called."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT bench_id(0)")
        (first,) = cursor.fetchone()
    return {
        "feed": Request(FEED, {}, TOKEN),
        "followers page": Request(FOLLOWERS, {"handle": "p0"}, TOKEN),
        "search, a frequent word": Request(SEARCH, {"text": "well"}, TOKEN),
        "search, a rare word": Request(SEARCH, {"text": "heron"}, TOKEN),
        "story": Request(STORY, {"id": global_id("Story", first)}, TOKEN),
    }


class Listening(in_process.InProcess):
    """Answers a request in this thread, and remembers the statement that the server would send."""

    def __init__(self, request: server.Request) -> None:
        super().__init__(request)
        self.sent: list[tuple[Statement, Sequence[bytes | None]]] = []

    async def fetch(self, statement: Statement, parameters: Sequence[bytes | None]) -> Row | None:
        """What it selects."""
        self.sent.append((statement, parameters))
        return await super().fetch(statement, parameters)


def statement_of(request: Request) -> tuple[str, list[str | None]]:
    """The one statement of a query, and what is bound to it. Raises `Wrong` if there is not one, or no answer."""
    posted = server.Request({**POST, "HTTP_AUTHORIZATION": f"Bearer {request.token}"}, POLICY)
    posted.arrived(orjson.dumps({"query": request.document, "variables": request.variables}))
    listening = Listening(posted)
    try:
        respond(posted, listening).send(None)
    except StopIteration as done:
        answer = done.value.body
    if b'"errors"' in answer or b'"edges":[]' in answer or len(listening.sent) != 1:
        raise Wrong(f"{len(listening.sent)} statements gave {answer!r:.2000}")
    ((statement, parameters),) = listening.sent
    return statement.sql.decode(), [None if one is None else one.decode() for one in parameters]


def grow(db: "psycopg.Connection[Any]", first: int, last: int) -> None:
    """Add the rows with these numbers. The triggers, which hold for writes of the server, are left out."""
    with db.transaction():
        db.execute("SET LOCAL session_replication_role = replica")
        if first == 0:
            for statement in (ID, *VIEWER.split(";")):
                db.execute(statement)
        for statement in sql_of(NAME, {"first": first, "last": last}):
            db.execute(statement, {"first": first, "last": last})
    db.execute("VACUUM (ANALYZE)")


def points(db: "psycopg.Connection[Any]", rows: int) -> list[Point]:
    """What each query costs now. The statement is prepared, and planned once for all parameters, as the server's are."""
    found = []
    db.execute(f"SET plan_cache_mode = {dict(_options())['plan_cache_mode']}")
    for number, (name, request) in enumerate(queries().items()):
        text, parameters = statement_of(request)
        prepared = f"growth_{rows}_{number}"
        db.execute(f"PREPARE {prepared} AS {text}".encode())
        values = sql.SQL(", ").join(map(sql.Literal, parameters))
        run = sql.SQL("EXECUTE {} ({})" if parameters else "EXECUTE {}").format(sql.Identifier(prepared), values)
        db.execute(run)
        explained = db.execute(sql.SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ") + run).fetchone()
        assert explained is not None
        root = explained[0][0]["Plan"]
        before = processor_seconds(db.info.backend_pid)
        for _ in range(RUNS):
            db.execute(run)
        used = processor_seconds(db.info.backend_pid) - before
        buffers = root["Shared Hit Blocks"] + root["Shared Read Blocks"]
        found.append(Point(name, rows, buffers, 1_000 * used / RUNS))
    return found


def _options() -> list[tuple[str, str]]:
    """The settings of connections that read."""
    pairs = (one.partition("=") for one in OPTIONS.split("-c ") if one)
    return [(name.strip(), value.strip()) for name, _, value in pairs]


def main(sizes: Sequence[int]) -> None:
    """Print the points at each of these sizes."""
    parameters = connection.get_connection_params()
    where: dict[str, Any] = {name: parameters.get(name) for name in ("host", "port", "user", "password", "dbname")}
    with psycopg.connect(**where, autocommit=True) as db:
        first = 0
        for size in sizes:
            grow(db, first, size)
            first = size + 1
            for point in points(db, size):
                print(json.dumps(asdict(point)), flush=True)


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]])
