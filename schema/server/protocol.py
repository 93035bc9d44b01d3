"""uvicorn's HTTP protocol, with bounds on what a connection may cost: size and time of a head, idle time, answers that are not
read, and how many connections there are.

What cannot be read as HTTP is answered here; everything else goes to `asgi`. httptools itself refuses both lengths, two lengths,
a blank before the colon and a bare LF.
"""

import resource
import socket
from collections import OrderedDict
from functools import cache, partial
from typing import Any

import httptools
import orjson
from django.conf import settings
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from backend import logs
from backend.engine.errors import Busy, after_busy_ms
from backend.monitoring.process import BY_STATUS, CLOSED, FULL, IDLE, SILENT, UNREAD
from schema.execution.problems import Problem, busy, log_problem

MAX_HEAD_BYTES, MAX_TARGET_BYTES = settings.MAX_HEAD_BYTES, settings.MAX_TARGET_BYTES
HEAD_SECONDS, IDLE_SECONDS, UNREAD_SECONDS = settings.HEAD_SECONDS, settings.IDLE_SECONDS, settings.UNREAD_SECONDS
MAX_HEADERS = 100
"""How many headers a request may have."""
STOPS = "stops"
"""The key of the state that all connections share, under which stands that the server stops."""
STOP_SECONDS = 0.5
"""How long an idle connection still takes a request after the server was told to stop: it may be on its way already."""
LINGER_SECONDS = 1.0
"""How long what still arrives is dropped after a refusal, so that the client gets to read it."""
PROGRESS_BYTES = 16 * 1024
"""How much of its answer a client has to read within `UNREAD_SECONDS`."""
NO_CONNECTION = "This server has too many connections. Nothing was written. Send the same request again."
SEND_BUFFER_BYTES = 16 * 1024
"""How much of a stream the kernel holds; by itself it would hold some megabytes."""
VANISHED_MS = 6_000
"""A client that has not acknowledged for so long what was sent to it is gone."""
OTHER_FILES = 256
"""File descriptors that a process needs besides its connections."""
NO_HTTP = "This is no HTTP request that can be read."


WAITING: "OrderedDict[Any, None]" = OrderedDict()
"""The connections over which nothing is done, the one that has waited longest first: those that wait for a whole head, and
WebSockets without an operation. `close` ends one to make room.
"""


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._waits_since: float | None = None
        """Since when it waits for a whole head (the loop's time); None while a request is answered."""
        self._is_new = True
        """Whether no request has come yet."""
        self._has_begun = False
        """Whether a part of a head has come."""
        self._head_bytes = self._incomplete_bytes = 0
        """The size of the headers of this head, and of what has come since something was complete: a head, a part of a body."""
        self._arriving = 0
        """The size of what is being parsed."""
        self._refusal: Problem | None = None
        """Why the head is refused that is being parsed."""
        self.streamed = 0
        """The size of what was sent of a stream."""
        self._read = 0
        """How many bytes the client has read beyond what a whole answer has."""
        self._unread_since: float | None = None
        """Since when it has read little more; None while it has read all."""
        self._lingers = self._stops = False
        self.closed_for: str | None = None
        """Why it was closed without an answer."""
        self._answering: RequestResponseCycle | None = None
        """The request that is being answered. `cycle` is the newest, which may wait behind it."""

    # --- The connection -----------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Accept it, if need be in the place of the one that has waited longest."""
        super().connection_made(transport)
        if len(self.connections) <= max_connections():
            self._wait()
        elif WAITING:
            next(iter(WAITING)).close(FULL)
            self._wait()
        else:
            self._turn_away(busy(Busy(NO_CONNECTION, after_ms=after_busy_ms(lasted=2.0), cause="connections")))
        if self.app_state.get(STOPS):
            self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request that is being answered that its client has left."""
        self._wait_no_more()
        if self._answering is not None:
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        cycle.scope["connection"] = self  # type: ignore[typeddict-unknown-key]
        super()._start_asgi_task(cycle, app)

    def _wait(self) -> None:
        """From now on it waits for a whole head."""
        self._waits_since = self.loop.time()
        WAITING[self] = None
        WAITING.move_to_end(self)

    def _wait_no_more(self) -> None:
        self._waits_since = None
        WAITING.pop(self, None)

    def close(self, cause: str) -> None:
        """Close it without an answer."""
        CLOSED.labels(cause).inc()
        self.closed_for = cause
        self._wait_no_more()  # it is among the connections until the loop's next turn, and must not make room twice
        self.transport.abort()

    def carries_stream(self) -> None:
        """From now on it carries a stream."""
        bounded(self.transport)

    def unread(self) -> int:
        """How many bytes of what was sent the client has not read, beyond what the kernel holds."""
        return self.transport.get_write_buffer_size()

    def wake(self) -> None:
        """Let whoever waits for the end of the stream look again."""
        if self._answering is not None:
            self._answering.message_event.set()

    def look(self, now: float) -> None:
        """End what takes too long. Called about every second."""
        unread = self.transport.get_write_buffer_size()
        if unread and self._waits_since is not None:
            self._wait()  # it does not wait for a request before its client has read the last answer
        elif self._waits_since is not None:
            self._look_at_head(now - self._waits_since)
        elif self.cycle is not None and self.cycle.more_body:
            self.cycle.message_event.set()  # `arrival.body_of` looks whether the time of the body is up
        read = self.streamed - unread  # a stream is written to again as soon as some of it was read
        if not unread:
            self._read, self._unread_since = read, None
        elif self._unread_since is None or read < self._read or read - self._read >= PROGRESS_BYTES:
            self._read, self._unread_since = read, now
        elif now - self._unread_since > UNREAD_SECONDS:
            self.close(UNREAD)

    def _look_at_head(self, waits: float) -> None:
        if self._has_begun:
            if waits > HEAD_SECONDS:
                self._turn_away(Problem(408, "REQUEST_TIMEOUT", "The head of the request did not arrive in time."))
        elif self._is_new:
            if waits > HEAD_SECONDS:
                self.close(SILENT)
        elif waits > IDLE_SECONDS:
            self.close(IDLE)

    def timeout_keep_alive_handler(self) -> None:
        """Leave it to `look`, which counts it."""

    def shutdown(self) -> None:
        """The server stops: answer what has begun, and what is on its way."""
        self._stops = True
        if self._waits_since is None and self.cycle is not None:
            self.cycle.keep_alive = False
        else:
            self.loop.call_later(STOP_SECONDS, self._close_if_waiting)

    def _close_if_waiting(self, *, is_read: bool = False) -> None:
        """Close it, but only after what has come meanwhile was read."""
        if self._waits_since is not None and is_read:
            self.transport.close()
        elif self._waits_since is not None:
            self.loop.call_later(0.01, partial(self._close_if_waiting, is_read=True))

    # --- What arrives -------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived."""
        if self._lingers:
            return
        self._unset_keepalive_if_required()
        self._arriving = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self._turn_away(self._refusal or Problem(400, "BAD_REQUEST", NO_HTTP))
        self._incomplete_bytes += len(data)
        if self._incomplete_bytes > MAX_HEAD_BYTES:
            self._turn_away(_large_head())

    def _progress(self) -> None:
        """Something is complete. What else is being parsed does not count for what follows."""
        self._incomplete_bytes = -self._arriving

    def _upgrade(self, rest: bytes) -> None:
        """Speak another protocol from here on, if it is one that is spoken here and nothing else is being answered."""
        is_free = self.cycle is None or self.cycle.response_complete
        if is_free and self._should_upgrade() and self.parser.get_method() == b"GET" and not (rest or self._lingers):
            self._wait_no_more()
            self.scope["method"] = "GET"
            self.handle_websocket_upgrade()
        else:
            self._ignore_upgrade(rest)

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Parse the request again as if it had not asked for another protocol (RFC 9110, section 7.8)."""
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        lines += [b"%b: %b" % (name, value) for name, value in self.headers if name != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._head_bytes = 0
        self.data_received(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def on_message_begin(self) -> None:
        """A head begins to arrive."""
        super().on_message_begin()
        self._progress()
        self._has_begun = True
        if self._waits_since is not None and not self._is_new:
            self._wait()

    def on_url(self, url: bytes) -> None:
        """Refuse a target that is too long."""
        super().on_url(url)
        if len(self.url) > MAX_TARGET_BYTES:
            text = f"The path and query string are too long: at most {MAX_TARGET_BYTES} bytes."
            self._refusal = Problem(414, "URI_TOO_LONG", text)
            raise self._refusal

    def on_header(self, name: bytes, value: bytes) -> None:
        """Refuse a head that is too large."""
        super().on_header(name, value)
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            self._refusal = _large_head()
            raise self._refusal

    def on_headers_complete(self) -> None:
        """The head is whole: the request is answered."""
        if self._upgrades():
            return
        super().on_headers_complete()
        self._wait_no_more()
        self._is_new = self._has_begun = False
        self._head_bytes = 0
        self._progress()
        if self._stops:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        super().on_body(body)
        self._progress()

    def on_message_complete(self) -> None:
        """The request is whole."""
        if not self._upgrades():
            super().on_message_complete()

    def _upgrades(self) -> bool:
        """Whether the request is one that is going to be parsed again."""
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def on_response_complete(self) -> None:
        """A request is answered; unless another one has come meanwhile, the connection waits."""
        waits = not self.pipeline
        super().on_response_complete()
        if waits and not self.transport.is_closing():
            self._wait()

    # --- Refusing what is no request ----------------------------------------------------------------------------

    def _turn_away(self, problem: Problem) -> None:
        """Answer, drop what still comes, and close. If a whole request is being answered, the connection ends with its answer."""
        if self._lingers:
            return
        self._lingers, self._has_begun = True, False
        request_id = logs.request_id(None)
        log_problem(problem, request_id=request_id)
        if self.cycle is not None and not self.cycle.response_complete and not self._break_off():
            self.cycle.keep_alive = False
            return
        BY_STATUS[problem.status // 100].inc()
        body = orjson.dumps(problem.answer)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "X-Request-Id": request_id,
            "Server": "Katha",
            "Connection": "close",
            **problem.headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        date = [b"%b: %b\r\n" % one for one in self.server_state.default_headers]
        self.transport.write(b"".join([STATUS_LINE[problem.status], *date, head.encode("latin-1"), b"\r\n", body]))
        self.transport.write_eof()
        self._wait_no_more()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _break_off(self) -> bool:
        """Let nobody wait for the rest of the body that cannot be read. Returns False if it was no body that was being read."""
        if not self.cycle.more_body or self.cycle.response_started or self.pipeline:
            return False
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        return True


def bounded(transport: Any) -> None:
    """Let the kernel hold little of what a client does not read, and notice a client that has vanished."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, VANISHED_MS)


def _large_head() -> Problem:
    return Problem(
        431,
        "HEADERS_TOO_LARGE",
        f"The head of the request is too large: at most {MAX_HEAD_BYTES} bytes, and {MAX_HEADERS} headers.",
    )


@cache
def max_connections() -> int:
    """How many connections a process can have. Raises its limit of open files as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.CONNECTIONS + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return (
        settings.CONNECTIONS
        if soft == resource.RLIM_INFINITY
        else max(min(settings.CONNECTIONS, soft - OTHER_FILES), 1)
    )
