"""uvicorn's WebSocket protocol, on the library websockets, with bounds on what a connection may cost.

It is written to at once: what a client has not read is looked at before, so nothing has to wait.
"""

import logging
from typing import Any

from django.conf import settings
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request

from backend.engine.errors import Busy
from backend.engine.refusal_log import log_refusal
from backend.limits.admission import SMALL, Budget, Share
from backend.monitoring.process import CLOSED, SILENT, UNREAD, VANISHED
from schema.server.protocol import PROGRESS_BYTES, WAITING, bounded

PING_SECONDS, PONG_SECONDS = 4.0, 4.0
"""How often a client is pinged, and how long it may take to answer: who has vanished is noticed within 8 seconds."""
HIGH_BYTES = 16 * 1024
"""With more than this unread, no more messages are taken from the client."""
AGAIN = 4503
"""The close code of a client that is too slow, or for which there is no memory; graphql-ws connects again."""
MAX_FRAGMENTS = 1_024
"""In how many frames a message may come. An empty one has no size, so of those the bound of sizes lets any number pass."""

_MESSAGES = Budget(settings.MAX_BODY_MEMORY)
"""What the messages that are not whole may take together in this process, as bodies of requests may."""

log = logging.getLogger("katha.websocket")
log.setLevel(logging.WARNING)


class WebSocket(WebSocketsSansIOProtocol):
    """One WebSocket."""

    _said = _read = 0
    """The size of all messages that were sent, and how much of it the client had read at some time."""
    _unread_since: float | None = None
    """Since when it has read little more than that, while much is there to be read."""
    _incomplete_since: float | None = None
    """Since when a part of a message is there that is not whole."""
    _share: Share | None = None
    """What that part takes, if it is much."""

    def connection_made(self, transport: Any) -> None:
        """Bound what it may hold."""
        super().connection_made(transport)
        self.logger = log  # uvicorn's would log every connection
        transport.set_write_buffer_limits(high=HIGH_BYTES)
        bounded(transport)

    def handle_connect(self, event: Request) -> None:
        """Let the application write to it by itself."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            self.scope["connection"] = self  # type: ignore[typeddict-unknown-key]

    def forget_handshake(self) -> None:
        """It was accepted: let go of what uvicorn keeps of the request and its answer, most of what an idle connection takes."""
        self.request = self.response = None  # type: ignore[assignment]
        self.scope["headers"] = []

    def wait(self) -> None:
        """From now on no operation runs over it: it makes room if there are too many connections."""
        WAITING[self] = None
        WAITING.move_to_end(self)

    def wait_no_more(self) -> None:
        """An operation runs over it, or it is closed."""
        WAITING.pop(self, None)

    def close(self, cause: str) -> None:
        """Close it, so that its client comes back later."""
        CLOSED.labels(cause).inc()
        self.wait_no_more()
        self.close_with(AGAIN, "Busy")
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give back what it held."""
        self._arrives(0)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come, as long as there is memory for messages that are not whole."""
        super().data_received(data)
        try:
            self._arrives((self.conn.current_size or 0) + len(self.conn.reader.buffer))
        except Busy as busy:
            log_refusal(busy)
            self.close_with(AGAIN, "Busy")
            self.transport.abort()

    def _arrives(self, size: int) -> None:
        """So much of a message is there that is not whole. Raises `Busy`."""
        if self._share is None and size > SMALL:
            self._share = Share(_MESSAGES)
        if self._share is not None:
            self._share.hold(size)
            if not size:
                self._share = None

    def send_receive_event_to_app(self) -> None:
        """A message is whole."""
        self._incomplete_since = None
        super().send_receive_event_to_app()

    def handle_cont(self, event: Frame) -> None:
        """Keep the next part of a message, unless there are too many."""
        if len(self.frames) < MAX_FRAGMENTS:
            super().handle_cont(event)
        else:
            self.frames = []
            self.close_with(CloseCode.MESSAGE_TOO_BIG, "Too many fragments")

    def handle_ping(self) -> None:
        """Answer, unless the client does not read: then its pings would fill the memory with answers."""
        pong = b"".join(self.conn.data_to_send())
        if self.unread() < HIGH_BYTES:
            self.transport.write(pong)

    def unread(self) -> int:
        """How many bytes of what was sent the client has not read, beyond what the kernel holds."""
        return self.transport.get_write_buffer_size()

    async def drained(self) -> None:
        """Wait until the client has read."""
        await self.writable.wait()

    def say(self, text: bytes) -> None:
        """Send a message."""
        if not self.close_sent and not self.transport.is_closing():
            self.conn.send_text(text)
            self._said += len(text)
            self.transport.write(b"".join(self.conn.data_to_send()))

    def close_with(self, code: int, reason: str) -> None:
        """Close it, and say why."""
        if self.close_sent or self.transport.is_closing():
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.close)

    def keepalive_timeout(self) -> None:
        """The client has vanished. uvicorn would send 1011, after which one that was only asleep would never come again."""
        CLOSED.labels(VANISHED).inc()
        self.transport.abort()

    def look(self, now: float) -> None:
        """Close it if its client has not read for long, or sends a message without end. Called about every second."""
        self._look_at_what_arrives(now)
        unread = self.unread()
        read = self._said - unread
        if unread < HIGH_BYTES:
            self._unread_since = None
        elif self._unread_since is None or read - self._read >= PROGRESS_BYTES:
            self._read, self._unread_since = read, now
        elif now - self._unread_since > settings.UNREAD_SECONDS:
            CLOSED.labels(UNREAD).inc()
            self.close_with(AGAIN, "Too slow")
            self.transport.abort()

    def _look_at_what_arrives(self, now: float) -> None:
        if not (self.frames or self.conn.reader.buffer) or self.read_paused:
            self._incomplete_since = None
        elif self._incomplete_since is None:
            self._incomplete_since = now
        elif now - self._incomplete_since > settings.BODY_SECONDS:
            CLOSED.labels(SILENT).inc()
            self.close_with(AGAIN, "Too slow")
            self.transport.abort()
