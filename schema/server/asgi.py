"""The ASGI application that uvicorn serves: reads requests in the event loop, and handles them there, in fibers and in threads.

A request takes a slot of admission only once its body has arrived, so slow clients hold up nobody. When a client disconnects,
its request is cancelled. /graphql goes to `http.respond`, everything else to Django's pages.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import Any

from django.conf import settings
from django.db import connections

from backend import tracing
from backend.engine.deadline import limited
from backend.engine.errors import Busy, OutcomeUnknown, after_busy_ms
from backend.engine.fibers import Fibers
from backend.engine.threads import in_thread
from backend.limits.admission import HASHING, PAGES, Admission, Lane, Share
from backend.monitoring.process import BY_STATUS, LEFT, REQUEST_SECONDS
from backend.postgresql.reads import Reads, Row, Statement
from schema.execution.problems import Problem, busy
from schema.server import http
from schema.server.arrival import Incoming, Left, Receive, body_of, drain, length_of, require_plain
from schema.server.live import sse
from schema.server.live.socket import Socket
from schema.server.live.streams import Streams
from schema.server.pages import PageHandler, page
from schema.server.policy import RAW_HEADERS, Policy
from schema.server.requests import Answer, Request, Stream, meta_of
from schema.server.threads import alone, work_for

GRAPHQL = ("/graphql", "/graphql/")
ALIVE = "/healthz"
"""Answered whatever else is asked for: a process that waits for the database is alive."""
TIMED_OUT = 408
STOPPING = "The server is stopping, and this had not begun. Nothing was written. Send the same request again."
CUT_OFF = (
    "The server is stopping, and this was not done in time. What was to be written may be written: send the same request with "
    "the same key."
)
STOPS = "the server stops"
LISTEN_AFTER_SECONDS = 0.5
"""After this time, watch whether the client disconnects."""

SHARE_TO_TELL = 0.2
"""The part of its time that a request which wants to hash a password does not wait for it."""

Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class Application:
    """The application of one process."""

    def __init__(self) -> None:
        self._policy = Policy.of_settings()
        self._admission = Admission()
        self._pages = PageHandler()
        self.reads = Reads(settings.THREADS)
        """As many connections as there are slots for whoever needs one."""
        self.streams = Streams(self._aside)
        self._threads = ThreadPoolExecutor(settings.THREADS, thread_name_prefix="requests")
        self._fibers = Fibers(self._in_any_thread)
        others = settings.HASHES_AT_ONCE + settings.PAGES_AT_ONCE + 1
        self._other_threads = ThreadPoolExecutor(others, thread_name_prefix="hashing and pages")

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Handle one request, or one WebSocket."""
        if scope["type"] == "websocket":
            await Socket(self, scope, receive, send, self._policy).run()
            return
        stream = await self._handle(scope, receive, send)
        if stream is not None:  # what the request was is not kept for as long as it may take
            await stream.run(scope["connection"], receive, send)

    async def _handle(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> Stream | None:
        """Answer one request, or begin to."""
        started = perf_counter()
        request = Request(meta_of(scope), self._policy)
        share = Share(self._admission.bodies)
        with tracing.serving(request.META, request.id):
            try:
                answer = await self._arrived(request, scope, receive, share)
                BY_STATUS[answer.status // 100].inc()
                REQUEST_SECONDS.observe(perf_counter() - started)
                if tracing.tracer is not None:
                    tracing.tracer.answered(answer.status)
                await _send(request, answer, send)
                return answer.stream
            except Left:
                LEFT.inc()
            finally:
                share.release()
        return None

    async def _arrived(self, request: Request, scope: Mapping[str, Any], receive: Receive, share: Share) -> Answer:
        """Read the body, and answer; or refuse what cannot be read."""
        incoming = Incoming(receive)
        try:
            require_plain(scope)
            request.arrived(await body_of(length_of(scope), incoming, share, self._policy))
        except Problem as problem:
            return await _refused(request, problem, scope, incoming)
        except Busy as refusal:
            return await _refused(request, busy(refusal), scope, incoming)
        except asyncio.CancelledError:
            return _cut_off(request, begun=False)
        request.receive = receive
        try:
            return await self._answered(request)
        except asyncio.CancelledError:
            if request.deadline.left:
                raise Left from None
            return _cut_off(request, begun=request.deadline.begun)
        except Exception as error:
            return http.failed(request, error)

    async def _answered(self, request: Request) -> Answer:
        if request.path in GRAPHQL and not http.opens_explorer(request):
            answered = sse.answered if sse.asks_for_events(request) else None
            return await http.respond(request, self.loop_for(request), answered)
        return await self._page(request)

    async def close(self) -> None:
        """Close the connections to the database. Nothing is served any more."""
        await self._fibers.close(connections.close_all)
        await self.reads.close()
        await self.streams.close_all()

    def slot(self, request: Request, lane: str) -> "Held":
        """A slot of this lane. Raises `NoSlot` if there is none in time."""
        return Held(request, self._admission.lanes(lane), request.deadline.until - self._time_to_tell(lane))

    async def in_thread(self, request: Request, lane: str, call: Callable[[], Any]) -> Any:
        """Call it in a thread for work in this lane."""
        work: Callable[[], Any] = partial(work_for, request, call)
        if lane == HASHING:
            return await _called(request, self._other_threads, partial(alone, work))
        return await _called(request, self._threads, work)

    async def in_fiber(self, request: Request, call: Callable[[], Any]) -> Any:
        """Call it in a fiber."""
        request.deadline.begun = True
        return await self._fibers.run(tracing.carried(partial(work_for, request, call)))

    def loop_for(self, request: Request) -> "InLoop":
        """What gives the work for this request what it needs."""
        return InLoop(self, request)

    async def _aside(self, call: Callable[[], Any]) -> Any:
        """What it returns in a thread that no request waits for."""
        return await in_thread(self._other_threads, partial(alone, call))

    def _in_any_thread(self, call: Callable[[], Any]) -> "asyncio.Future[Any]":
        return in_thread(self._threads, call)

    def _time_to_tell(self, lane: str) -> float:
        """Who finds no slot for hashing is told so by the mutation, which needs another slot for that."""
        return self._policy.request_seconds * SHARE_TO_TELL if lane == HASHING else 0.0

    async def _page(self, request: Request) -> Answer:
        call = partial(alone, partial(_page_in_thread, self._pages, request))
        try:
            if request.path == ALIVE:
                return await in_thread(self._other_threads, tracing.carried(call))
            async with self.slot(request, PAGES):
                answer: Answer = await _called(request, self._other_threads, call)
        except Busy as refusal:
            return http.refused(request, busy(refusal))
        return answer


def _page_in_thread(handler: PageHandler, request: Request) -> Answer:
    with limited(request.deadline):
        status, headers, body = page(handler, {**request.META, "HTTP_X_REQUEST_ID": request.id}, request.body)
    plain = {name: value for name, value in headers if name != "Set-Cookie"}
    cookies = [value for name, value in headers if name == "Set-Cookie"]
    return Answer(status, body, plain, cookies, is_page=True)


async def _called(request: Request, threads: ThreadPoolExecutor, call: Callable[[], Any]) -> Any:
    request.deadline.begun = True
    return await in_thread(threads, tracing.carried(call))


class InLoop:
    """Gives the work for one request what it needs, in the event loop."""

    def __init__(self, application: Application, request: Request) -> None:
        self._application, self._request = application, request
        self.streams = application.streams

    def slot(self, lane: str) -> "Held":
        """A slot of this lane."""
        return self._application.slot(self._request, lane)

    async def in_thread(self, lane: str, call: Callable[[], Any]) -> Any:
        """What it returns in a thread."""
        return await self._application.in_thread(self._request, lane, call)

    async def in_fiber(self, call: Callable[[], Any]) -> Any:
        """What it returns in a fiber."""
        return await self._application.in_fiber(self._request, call)

    async def fetch(self, statement: Statement, parameters: Sequence[bytes | None]) -> Row | None:
        """The first row. No thread is at work meanwhile: who leaves or is cut off has lost nothing."""
        self._request.deadline.begun = False
        return await self._application.reads.fetch(statement, parameters, self._request.deadline)


class Held:
    """A slot of the last of these lanes, and of those before it: held inside. Meanwhile the client is listened for."""

    def __init__(self, request: Request, lanes: Sequence[Lane], until: float) -> None:
        self._request, self._lanes, self._until = request, lanes, until
        self._entered: list[Lane] = []

    async def __aenter__(self) -> None:
        self._request.deadline.begun = False
        self._listener = Listener(self._request)
        try:
            for one in self._lanes:
                await one.enter(self._until)
                self._entered.append(one)
        except BaseException:
            self._leave()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._leave()

    def _leave(self) -> None:
        self._listener.stop()
        for one in reversed(self._entered):
            one.leave()


class Listener:
    """Ends a request whose client disconnects while it takes long."""

    def __init__(self, request: Request) -> None:
        self._request, self._task = request, asyncio.current_task()
        self._listening: asyncio.Future[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(LISTEN_AFTER_SECONDS, self._listen)

    def stop(self) -> None:
        """It is answered."""
        self._timer.cancel()
        if self._listening is not None:
            self._listening.cancel()

    def _listen(self) -> None:
        self._listening = asyncio.ensure_future(self._until_left())

    async def _until_left(self) -> None:
        """What a thread has begun is ended by its deadline."""
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self._request.deadline.leave()
        if not self._request.deadline.begun and self._task is not None:
            self._task.cancel()


async def _refused(request: Request, problem: Problem, scope: Mapping[str, Any], incoming: Incoming) -> Answer:
    """The answer to what has not arrived as it should; the connection is closed, because nobody knows what follows in it."""
    answer = http.refused(request, problem)
    answer.headers["Connection"] = "close"
    if problem.status != TIMED_OUT:  # its time is up
        await drain(scope, incoming)
    return answer


def _cut_off(request: Request, *, begun: bool) -> Answer:
    """The answer to what the server has no time for any more when it stops (`workers`)."""
    refusal = OutcomeUnknown if begun else Busy
    told = refusal(CUT_OFF if begun else STOPPING, after_ms=after_busy_ms(), cause=STOPS)
    return http.refused(request, busy(told))


async def _send(request: Request, answer: Answer, send: Send) -> None:
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
    raw += [(b"set-cookie", cookie.encode("latin-1")) for cookie in answer.cookies]
    if not answer.is_page:
        raw += [one for one in RAW_HEADERS if one[0].decode() not in answer.headers]
    raw += [(b"x-request-id", request.id.encode()), (b"server", b"Katha")]
    if tracing.tracer is not None:
        raw.append((b"traceresponse", tracing.tracer.traceresponse()))
    if answer.stream is None and answer.status not in (204, 304) and "Content-Length" not in answer.headers:
        raw.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    if answer.stream is None:
        await send({"type": "http.response.body", "body": answer.body})
