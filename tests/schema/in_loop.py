"""The application in an event loop of the test's own, with an account of what it does for an answer."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import uvloop
from django.db import connection
from django.test import override_settings

from backend.postgresql.reads import Reads, Row, Statement
from backend.postgresql.session import Session
from schema.server.asgi import Application

WAITING = """
SELECT pid FROM pg_locks JOIN pg_database AS mine ON mine.oid = database AND mine.datname = current_database()
WHERE NOT granted AND relation = %s::regclass
"""
"""A table has the same oid in the databases of tests that run beside this one, so it is looked for in this one alone."""


class Answered:
    """An answer as it was sent."""

    def __init__(self, sent: list[Any]) -> None:
        start, body = sent
        self.status: int = start["status"]
        self.headers = {name.decode(): value.decode() for name, value in start["headers"]}
        self.raw: bytes = body["body"]

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


class Server:
    """The application in an event loop as the server's, and what it does for its answers."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.fetched = self.sent = self.fibers = 0
        self.threads: list[Any] = []

    async def ask(
        self,
        document: str,
        variables: dict[str, Any] | None = None,
        *,
        token: str | None = None,
        leaves: asyncio.Event | None = None,
        **headers: str,
    ) -> Answered | None:
        """The answer; None for a client that has left."""
        body = json.dumps({"query": document, "variables": variables or {}}).encode()
        given = {"host": "testserver", "content-type": "application/json", "content-length": str(len(body)), **headers}
        if token is not None:
            given["authorization"] = f"Bearer {token}"
        scope = {
            "type": "http", "method": "POST", "path": "/graphql", "query_string": b"", "http_version": "1.1",
            "scheme": "http", "client": ("127.0.0.1", 1), "server": ("testserver", 80),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()],
        }  # fmt: skip
        bodies, sent = [body], list[Any]()

        async def receive() -> dict[str, Any]:
            if bodies:
                return {"type": "http.request", "body": bodies.pop(), "more_body": False}
            await (leaves or asyncio.Event()).wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await asyncio.create_task(self.application(scope, receive, send))
        return Answered(sent) if sent else None

    async def data(self, document: str, variables: dict[str, Any] | None = None, *, token: str | None = None) -> Any:
        """The data of an answer without errors."""
        answer = await self.ask(document, variables, token=token)
        assert answer is not None
        assert answer.json.keys() == {"data"}, answer.json
        return answer.json["data"]

    @contextmanager
    def counted(self) -> Iterator["Server"]:
        """How many statements are fetched inside, in how many messages to PostgreSQL, and what goes to a fiber or a thread."""
        fetch, flush, submit = Reads.fetch, Session._flush, self.application._threads.submit
        run = self.application._fibers.run
        self.fetched, self.sent, self.fibers, self.threads = 0, 0, 0, []

        async def fetched(reads: Reads, statement: Statement, *rest: Any) -> Row | None:
            self.fetched += 1
            return await fetch(reads, statement, *rest)

        def flushed(session: Session) -> None:
            self.sent += 1
            flush(session)

        async def in_fiber(call: Callable[[], Any]) -> Any:
            self.fibers += 1
            return await run(call)

        def submitted(call: Callable[[], Any], *rest: Any) -> Any:
            self.threads.append(call)
            return submit(call, *rest)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Reads, "fetch", fetched)
            patch.setattr(Session, "_flush", flushed)
            patch.setattr(self.application._threads, "submit", submitted)
            patch.setattr(self.application._fibers, "run", in_fiber)
            yield self


def within(work: Callable[[Server], Awaitable[None]], **settings: Any) -> None:
    """Do it in an event loop as the server's."""

    async def run() -> None:
        application = Application()
        try:
            await work(Server(application))
        finally:
            await application.close()
            application._threads.shutdown()
            application._other_threads.shutdown()

    with override_settings(**settings), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


class Held:
    """A table that nobody else can read meanwhile: a connection of its own has locked it."""

    def __init__(self, table: str) -> None:
        self._table = table

    def __enter__(self) -> "Held":
        settings = connection.get_connection_params() | {"context": None, "cursor_factory": None}
        self._holder = psycopg.connect(**settings)
        self._looker = psycopg.connect(**settings, autocommit=True)
        self.hold()
        return self

    def __exit__(self, *_: object) -> None:
        self._holder.close()
        self._looker.close()

    def hold(self) -> None:
        """Lock it, as soon as nobody else does."""
        self._holder.execute(f"LOCK TABLE {self._table} IN ACCESS EXCLUSIVE MODE")

    def release(self) -> None:
        """Let those who wait go on."""
        self._holder.rollback()

    def waiting(self) -> int:
        """How many wait for it."""
        return len(self.sessions())

    def sessions(self) -> list[int]:
        """The sessions that wait for it."""
        return [pid for (pid,) in self._looker.execute(WAITING, [self._table])]
