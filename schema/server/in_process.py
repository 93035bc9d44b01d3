"""Answers a request to /graphql in this thread, without a socket and without waiting: for the bench and the tests."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from backend.engine.deadline import limited
from backend.postgresql.reads import Row, Statement
from backend.postgresql.select import select
from schema.server.http import respond
from schema.server.policy import HEADERS
from schema.server.requests import Answer, Request
from schema.server.threads import work_for


def answer(request: Request) -> Answer:
    """The answer to a request whose body has arrived."""
    responding = respond(request, InProcess(request))
    try:
        responding.send(None)
    except StopIteration as done:
        answered: Answer = done.value
        answered.add(HEADERS)
        return answered
    raise AssertionError("it waits for something")


class InProcess:
    """Gives the work what it needs at once."""

    def __init__(self, request: Request) -> None:
        self._request = request

    @asynccontextmanager
    async def slot(self, lane: str) -> AsyncIterator[None]:  # noqa: ARG002
        """There is always one."""
        yield

    async def in_thread(self, _lane: str, call: Callable[[], Any]) -> Any:
        """In this one."""
        return work_for(self._request, call)

    async def in_fiber(self, call: Callable[[], Any]) -> Any:
        """In no fiber: there is nobody else to go on with."""
        return work_for(self._request, call)

    async def fetch(self, statement: Statement, parameters: Sequence[bytes | None]) -> Row | None:
        """Over this thread's connection."""
        with limited(self._request.deadline):
            return select(statement, parameters)
