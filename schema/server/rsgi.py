"""The RSGI application that granian serves: reads requests asynchronously and handles them in threads.

A request takes a thread only once its body has arrived. So slow clients block nobody, and get 408 in the end. When a client
disconnects, its request is cancelled.
"""

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple

import orjson
from django.conf import settings
from django.db import connections

from backend import logs
from backend.engine.deadline import DEADLINE, Deadline, limited
from backend.limits.hashing import AT_END, MAKE_ROOM
from backend.limits.turns import MY_TURN, Postponed
from backend.monitoring.process import BY_STATUS
from schema.execution.problems import Problem, busy, log_problem
from schema.server.arrival import Memory, Room, body_of, require_plain
from schema.server.requests import MAX_CHARACTERS
from schema.server.wsgi import application as wsgi

ALIVE = "/healthz"
"""Answered even if all threads are busy: a process that waits for the database is alive."""
NO_PLACE = "The server had no time for this. Nothing was written. Send the same request again."
LISTEN_AFTER_SECONDS = 0.5
"""After this time, watch whether the client disconnects."""
SERVER = ("Server", "Katha")
"""Replaces granian's own header."""


class Application:
    """Handles each request by Django's WSGI handler, in a limited number of threads."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._places = asyncio.Semaphore(settings.THREADS)
        """Limits the requests that are handled at once, except those that hash a password."""
        self._turns = asyncio.Semaphore(max(1, settings.THREADS // 2))
        """Limits expensive requests; acquired before `_places`."""
        self._memory = Memory(settings.MAX_BODY_MEMORY)

    def __rsgi_init__(self, _loop: asyncio.AbstractEventLoop) -> None:
        """Called in the worker process before its first request."""
        hashing = settings.HASHES_AT_ONCE + settings.HASHES_WAITING
        self._threads = ThreadPoolExecutor(settings.THREADS + hashing, thread_name_prefix="answers")

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Handle one request."""
        if scope.proto != "http":
            protocol.close(403)
            return
        room = Room(self._memory)
        try:
            body = await _arrived(scope, protocol, room)
            if body is not None:
                await self._answer(environ(scope, body), protocol)
        finally:
            room.leave()

    async def _answer(self, asked: dict[str, Any], protocol: Any) -> None:
        deadline = asked[DEADLINE] = Deadline(settings.REQUEST_SECONDS)
        answered = asyncio.ensure_future(self._in_turn(asked, protocol))
        if not (await asyncio.wait((answered,), timeout=LISTEN_AFTER_SECONDS))[0]:
            gone = asyncio.ensure_future(protocol.client_disconnect())
            either = partial(asyncio.wait, (answered, gone), return_when=asyncio.FIRST_COMPLETED)
            ended, _ = await either(timeout=settings.REQUEST_SECONDS)
            if not ended and deadline.begun:  # it will be cancelled, and answers by itself
                await either()
            if not answered.done():
                deadline.leave()
                if not deadline.begun:  # it waits for a thread, and would keep its body in memory
                    answered.cancel()
                    if not ended:
                        asks = Asks(asked["REQUEST_METHOD"], asked["PATH_INFO"], asked.get("HTTP_X_REQUEST_ID"))
                        _turn_away(protocol, busy(NO_PLACE, lasted=settings.REQUEST_SECONDS), asks)
            gone.cancel()
        with suppress(asyncio.CancelledError):
            await answered

    async def _in_turn(self, asked: dict[str, Any], protocol: Any) -> None:
        """Handle it in a thread once one is free; if it is expensive, in the queue for those."""
        if asked["PATH_INFO"] == ALIVE:
            await asyncio.get_running_loop().run_in_executor(self._threads, answer, asked, protocol, lambda: None, True)
        elif not await self._in_place(asked, protocol, my_turn=False):
            asked[DEADLINE].begun = False
            async with self._turns:
                await self._in_place(asked, protocol, my_turn=True)

    async def _in_place(self, asked: dict[str, Any], protocol: Any, *, my_turn: bool) -> bool:
        """Handle it; returns False if it must wait in the queue for expensive requests. One that hashes a password releases
        its slot early.
        """
        await self._places.acquire()
        asked[DEADLINE].begun = True
        loop, place = asyncio.get_running_loop(), Slot(self._places.release)

        def make_room() -> None:
            loop.call_soon_threadsafe(place.leave)

        try:
            return await loop.run_in_executor(self._threads, answer, asked, protocol, make_room, my_turn)
        finally:
            place.leave()


class Slot:
    """A semaphore slot that is released exactly once."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release: Callable[[], None] | None = release

    def leave(self) -> None:
        """Release it. Called in the event loop's thread."""
        release, self._release = self._release, None
        if release is not None:
            release()


def answer(asked: dict[str, Any], protocol: Any, make_room: Callable[[], None], my_turn: bool) -> bool:
    """Handle a request that has arrived. Returns False, with nothing done, if it is expensive and has no slot for that."""
    if asked[DEADLINE].left:
        return True
    extra = []

    def one_more() -> None:
        extra.append(True)
        make_room()

    at_end: list[Callable[[], None]] = []
    MAKE_ROOM.set(one_more)
    AT_END.set(at_end)
    MY_TURN.set(lambda: my_turn)
    said: list[Any] = []
    asked["wsgi.input"].seek(0)
    try:
        with limited(asked[DEADLINE]):
            parts: Any = wsgi({**asked}, lambda status, headers, _exc_info=None: said.extend((status, headers)))
            try:
                body = b"".join(parts)
            finally:
                if hasattr(parts, "close"):
                    parts.close()
            if extra:  # extra threads are temporary, so their database sessions are closed
                connections.close_all()
    except Postponed:
        return False
    finally:
        for leave in at_end:
            leave()
    status, headers = said
    protocol.response_bytes(int(status[:3]), [*headers, SERVER], body)
    return True


async def _arrived(scope: Any, protocol: Any, room: Room) -> bytes | None:
    """Read the body of a request; None if the request was refused."""
    asks = Asks(scope.method, scope.path, scope.headers.get("x-request-id"))
    try:
        require_plain(scope)
        async with asyncio.timeout(settings.BODY_SECONDS):
            return await body_of(scope.headers, protocol, room)
    except TimeoutError:
        _turn_away(protocol, Problem(408, "REQUEST_TIMEOUT", "The request did not arrive in time."), asks)
    except Problem as problem:
        _turn_away(protocol, problem, asks)
    return None


class Asks(NamedTuple):
    """What the log says of a request that takes no thread."""

    method: str
    url: str
    request_id: str | None


def _turn_away(protocol: Any, problem: Problem, asks: Asks) -> None:
    """Answer a request that takes no thread, and count it as the middleware counts all others."""
    request_id = logs.request_id(asks.request_id)
    log_problem(problem, method=asks.method, url=asks.url[:MAX_CHARACTERS], request_id=request_id)
    BY_STATUS[problem.status // 100].inc()
    headers = [
        ("Content-Type", "application/json; charset=utf-8"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Connection", "close"),
        ("X-Request-Id", request_id),
        SERVER,
        *problem.headers.items(),
    ]
    protocol.response_bytes(problem.status, headers, orjson.dumps(problem.answer))


def environ(scope: Any, body: bytes) -> dict[str, Any]:
    """The WSGI environ of a request (PEP 3333), with strings decoded as Latin-1."""
    address, _, _ = scope.client.rpartition(":")
    server, _, port = scope.server.rpartition(":")
    asked: dict[str, Any] = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": _latin(scope.path),
        "QUERY_STRING": _latin(scope.query_string),
        "REMOTE_ADDR": address.strip("[]"),
        "SERVER_NAME": server,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if scope.authority is not None:
        asked["HTTP_HOST"] = scope.authority
    for name, value in scope.headers.items():
        if name == "content-type":
            asked["CONTENT_TYPE"] = value
        elif name != "content-length" and "_" not in name:  # WSGI would mistake it for the name with a hyphen
            key = "HTTP_" + name.upper().replace("-", "_")
            known = asked.get(key) if key != "HTTP_HOST" else None
            asked[key] = value if known is None else f"{known}{';' if name == 'cookie' else ','}{value}"
    return asked


def _latin(text: str) -> str:
    return text if text.isascii() else text.encode().decode("latin-1")


application = Application()
