"""GraphQL over server-sent events, in graphql-sse's mode of distinct connections: an operation for each request.

`next` carries an execution result, `complete` ends the operation for good. A stream that ends without it is asked again by its
client with the same variables: so it is when the server stops, when a lease is over, and when the client did not read.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from time import monotonic
from typing import Any

from django.conf import settings
from django.core.exceptions import TooManyFieldsSent

from backend.engine.errors import Busy, RateLimited, Refusal
from backend.engine.refusal_log import log_refusal
from backend.live import metrics
from backend.live.subscriptions import Ending, Subscription
from backend.monitoring.process import UNREAD
from schema.context import Context
from schema.execution.errors import RequestError
from schema.execution.problems import Problem, busy, log_problem, too_many
from schema.execution.steps import IN_THREAD, Steps
from schema.execution.watching import Watching
from schema.server import http
from schema.server.accept import MAX_HEADERS, preferred
from schema.server.arrival import Receive
from schema.server.asked import JSON, METHODS, asked_of
from schema.server.driving import driven
from schema.server.live.opening import opened, told_as_json
from schema.server.live.origins import require_our_page
from schema.server.live.streams import LEASE_SECONDS, MARK_BYTES, PRESENCE, Streams, why
from schema.server.requests import Answer, Request

MEDIA = "text/event-stream"
HEADERS = {
    "Content-Type": f"{MEDIA}; charset=utf-8",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
    "Connection": "close",
}
"""No proxy may keep it back or change it. The connection ends with the stream."""
COMMENT = b":\n\n"
COMPLETE = b"event: complete\ndata: \n\n"

PROXIES = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_VIA")
"""The headers by which proxies tell of themselves."""

PRESENT_SECONDS = 2.0
"""How often a stream of `presence` says something at least."""

Send = Callable[[Mapping[str, Any]], Awaitable[None]]


def event(payload: bytes) -> bytes:
    """An execution result as an event. JSON has no line breaks."""
    return b"event: next\ndata: " + payload + b"\n\n"


@lru_cache(MAX_HEADERS)
def _is_preferred(accept: str) -> bool:
    return MEDIA in accept.lower() and preferred(accept, (JSON, http.GRAPHQL_RESPONSE, MEDIA)) == MEDIA


def asks_for_events(request: Request) -> bool:
    """Whether the client wants a stream of events rather than one answer."""
    return _is_preferred(request.choice("HTTP_ACCEPT"))


async def answered(request: Request, server: Any) -> Answer:
    """The head of a stream, and what follows it. What is no GraphQL request has a status as anywhere else."""
    context = Context(request)
    try:
        if request.method == "OPTIONS":
            return Answer(204, headers={"Allow": METHODS})
        if not context.has_token and "HTTP_COOKIE" in request.META:
            require_our_page(request)
        context.require_allowance()
        opened = await driven(request, _steps(request, context, server.streams), server)
    except RequestError as problem:
        context.charge(http.REJECTED_COST)
        log_problem(problem, **request.facts)
        opened = told_as_json(problem)
    except Problem as problem:
        context.charge(http.MALFORMED_COST)
        return http.turned_away(request, problem)
    except TooManyFieldsSent:
        return http.turned_away(request, Problem(400, "BAD_REQUEST", "The request holds too many parameters."))
    except RateLimited as refusal:
        log_refusal(refusal, **request.facts)
        return http.turned_away(request, too_many(refusal))
    except Busy as refusal:
        return http.turned_away(request, busy(refusal))
    except Refusal as refusal:
        opened = told_as_json(refusal)
    is_leased = isinstance(opened, Watching) and opened.many.field == PRESENCE and _comes_by_proxy(request)
    return Answer(200, headers=dict(HEADERS), stream=Events(server.streams, opened, is_leased=is_leased))


def _comes_by_proxy(request: Request) -> bool:
    """Whether some proxy stands between: it would keep the stream open when the client has vanished."""
    return any(name in request.META for name in PROXIES)


def _steps(request: Request, context: Context, streams: Streams) -> Steps[bytes | Watching]:
    """From the request to what the stream has to tell."""
    yield IN_THREAD
    asked = asked_of(request)
    http.check_csrf(request)
    return (yield from opened(request, asked, context, streams.extra))


class Events:
    """One stream of events."""

    def __init__(self, streams: Streams, opened: bytes | Watching, *, is_leased: bool = False) -> None:
        self._streams, self._opened = streams, opened
        self._lease_until = monotonic() + LEASE_SECONDS if is_leased else None
        self._subscription: Subscription | None = None
        self._ending: Ending | None = None
        self._connection: Any = None
        self._send: Send
        self._said_at = monotonic()
        """When something was last sent."""

    async def run(self, connection: Any, receive: Receive, send: Send) -> None:
        """Send what there is to tell until it ends, or the client leaves. The head has been sent."""
        self._connection, self._send = connection, send
        connection.carries_stream()
        self._streams.open(self, metrics.SSE)
        try:
            await self._until_complete(receive)
        finally:
            self._streams.close(self)

    async def _until_complete(self, receive: Receive) -> None:
        opened, self._opened = self._opened, b""
        if isinstance(opened, bytes):
            await self._write(event(opened) + COMPLETE)
            await self._finish()
            return
        try:
            subscription = self._subscription = self._streams.subscribe(opened, self)
        except RateLimited as refusal:
            await self._write(event(told_as_json(refusal)) + COMPLETE)
            await self._finish()
            return
        del opened
        try:
            left = await self._until_end(receive)
        finally:
            self._streams.unsubscribe(subscription, self._why_left())
        if not left:
            assert self._ending is not None
            reason = why(self._ending)
            if reason is not None:
                await self._write(event(reason) + COMPLETE)
            await self._finish()

    async def _until_end(self, receive: Receive) -> bool:
        """Wait until the server ends it, or until the client has left. Whether it was that."""
        while self._ending is None:
            if (await receive())["type"] == "http.disconnect":
                return True
        return False

    def _why_left(self) -> Ending:
        if self._ending is not None:
            return self._ending
        return Ending.SLOW if self._connection.closed_for == UNREAD else Ending.LEFT

    async def _write(self, data: bytes) -> None:
        self._said_at = monotonic()
        self._connection.streamed += len(data)
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def _finish(self) -> None:
        await self._send({"type": "http.response.body", "body": b""})

    async def look(self, now: float) -> None:
        """Say now and then that it is still there, and end what is leased."""
        if self._lease_until is not None and now >= self._lease_until and self._subscription is not None:
            self._streams.hub.end(self._subscription, Ending.LEASE)
        if now - self._said_at >= self._quiet_seconds and self.is_ready:
            await self._write(COMMENT)

    # --- What the hub asks and tells -----------------------------------------------------------------------------

    @property
    def _quiet_seconds(self) -> float:
        """After how long without an event it says so. That a client has vanished shows only when something is sent to it."""
        is_present = self._subscription is not None and self._subscription.batch.field == PRESENCE
        return PRESENT_SECONDS if is_present else settings.KEEP_ALIVE_SECONDS

    @property
    def is_ready(self) -> bool:
        """Whether the client has read so much that more may be sent."""
        return self._ending is None and self._connection.unread() < MARK_BYTES

    async def send(self, payload: bytes) -> None:
        """Send one execution result."""
        await self._write(event(payload))

    def end(self, ending: Ending) -> None:
        """Nothing more comes."""
        self._ending = ending
        self._connection.wake()
