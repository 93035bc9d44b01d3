"""uvicorn's WebSocket protocol, on the library websockets, with bounds on what a connection may cost.

It is written to at once: what a client has not read is looked at before, so nothing has to wait.
"""

import logging
from typing import Any

from django.conf import settings
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from backend.monitoring.process import CLOSED, UNREAD, VANISHED
from schema.server.protocol import bounded

PING_SECONDS, PONG_SECONDS = 4.0, 4.0
"""How often a client is pinged, and how long it may take to answer: who has vanished is noticed within 8 seconds."""
HIGH_BYTES = 16 * 1024
"""With more than this unread, no more messages are taken from the client."""
TOO_SLOW = 4503
"""The close code of a client that does not read; graphql-ws connects again."""

log = logging.getLogger("katha.websocket")
log.setLevel(logging.WARNING)


class WebSocket(WebSocketsSansIOProtocol):
    """One WebSocket."""

    _unread_since: float | None = None

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
        """Close it if its client has not read for long. Called about every second."""
        if self.unread() < HIGH_BYTES:
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        elif now - self._unread_since > settings.UNREAD_SECONDS:
            CLOSED.labels(UNREAD).inc()
            self.close_with(TOO_SLOW, "Too slow")
            self.transport.abort()
