"""Counts the exact SQL statements and round trips of a request, by tracing the connection of the server's code in this
process.

As a program it prints the counts of the given workloads as JSON: python -m bench.count R1 M2
"""

import json
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from typing import Any

import django
import orjson
import psycopg
from django.apps import apps
from django.db import connection

if not apps.ready:  # as a program
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
    django.setup()

from backend.limits import spending
from bench.data import Data
from bench.scripts import Answer, Request, Wrong, play
from bench.works import WORKS, Work
from schema.server import in_process
from schema.server import requests as server
from schema.server.policy import Policy

WARM = 20
"""Scripts to run before counting, until statements are prepared and documents cached."""
COUNTED = 10
POST = {
    "REQUEST_METHOD": "POST",
    "PATH_INFO": "/graphql",
    "QUERY_STRING": "",
    "REMOTE_ADDR": "127.0.0.1",
    "HTTP_HOST": "localhost",
    "CONTENT_TYPE": "application/json",
    "wsgi.url_scheme": "http",
}
"""What WSGI says of each request."""
POLICY = Policy.of_settings()


def counts(work: Work, data: Data) -> tuple[float, float]:
    """The average statements and round trips of a request. BEGIN and COMMIT count as both."""
    warm, counted = (1, 1) if work.retries else (WARM, COUNTED)  # where clients retry, a single client has no conflicts
    for script in play(work.prepare(data, warm * work.each), ask).scripts:
        play(script, ask)
    batch = play(work.prepare(data, counted * work.each), ask)
    asked = 0

    def counting(request: Request) -> Answer:
        nonlocal asked
        asked += 1
        return ask(request)

    def play_each() -> None:
        for script in batch.scripts:
            spending.SPENDING.forget_owners()  # each is somebody whom the process does not know yet
            play(script, counting)

    statements, trips = heard(play_each)
    batch.check()
    return statements / asked, trips / asked


def heard(act: Callable[[], Any]) -> tuple[int, int]:
    """How many statements PostgreSQL completes during `act`, and how often it is ready for the next message."""
    with tempfile.TemporaryFile() as trace:
        connection.ensure_connection()
        pgconn = connection.connection.pgconn
        pgconn.trace(trace.fileno())
        try:
            act()
        finally:
            pgconn.untrace()
        trace.seek(0)
        messages = Counter(re.findall(rb"^[^\t\n]+\tB\t\d+\t(\w+)", trace.read(), re.MULTILINE))
    return messages[b"CommandComplete"], messages[b"ReadyForQuery"]


def ask(request: Request) -> Answer:
    """Send one request through the server's code, without a socket."""
    posted = server.Request(
        {**POST, **({"HTTP_AUTHORIZATION": f"Bearer {request.token}"} if request.token else {})}, POLICY
    )
    posted.arrived(orjson.dumps({"query": request.document, "variables": request.variables}))
    answer = orjson.loads(in_process.answer(posted).body)
    if "errors" in answer:
        raise Wrong(f"the server answered {answer!r:.2000}")
    return answer["data"]


def main(names: list[str]) -> None:
    """Print the counts of these workloads."""
    parameters = connection.get_connection_params()
    where: dict[str, Any] = {name: parameters.get(name) for name in ("host", "port", "user", "password", "dbname")}
    with psycopg.connect(**where, autocommit=True) as db:
        data = Data.of(db)
        print(json.dumps({work.name: counts(work, data) for work in WORKS if work.name in names}))


if __name__ == "__main__":
    main(sys.argv[1:])
