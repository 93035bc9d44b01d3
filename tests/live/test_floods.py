"""What a client may not do to a server over a WebSocket, frame by frame; and what it is told when the fault is not its own."""

import asyncio
import contextlib
import json
import os
import socket
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from backend.engine.errors import Busy
from backend.limits.admission import Budget
from schema.server.live import websocket
from schema.server.live.operation import Operation
from schema.server.live.socket import SUBPROTOCOL, Socket
from schema.server.live.websocket import MAX_FRAGMENTS, WebSocket
from schema.server.policy import Policy
from tests.backend.raw import Served, served
from tests.serving import until

UPGRADE = (
    b"GET /graphql HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)
TEXT, CONTINUED, PING = 1, 0, 9
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def live(served_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of one process, which waits briefly."""
    log = tmp_path_factory.mktemp("live") / "log"
    with served(served_database, log, BODY_SECONDS="2", UNREAD_SECONDS="2", INIT_SECONDS="60") as one:
        yield one


def frame(opcode: int, payload: bytes = b"", *, fin: bool = False, size: int | None = None) -> bytes:
    """A frame whose mask is 0, so that its payload stands in it as it is; `size` may promise more than comes."""
    length = len(payload) if size is None else size
    head = bytes([opcode | (0x80 if fin else 0)])
    if length < 126:
        head += bytes([0x80 | length])
    else:
        head += b"\xff" + length.to_bytes(8, "big")
    return head + b"\0\0\0\0" + payload


@contextlib.contextmanager
def connected(live: Served) -> Iterator[socket.socket]:
    """A WebSocket as bytes."""
    with socket.create_connection(live.place, timeout=20) as one:
        one.sendall(UPGRADE)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += one.recv(1)
        assert head.startswith(b"HTTP/1.1 101")
        yield one


def code_of(one: socket.socket) -> int | None:
    """The code with which the server closes it; None if it breaks it off."""
    heard = b""
    with contextlib.suppress(ConnectionError):
        while piece := one.recv(65_536):
            heard += piece
    at = 0
    while at < len(heard):
        opcode, length = heard[at] & 15, heard[at + 1]
        if opcode == 8:
            return int.from_bytes(heard[at + 2 : at + 4], "big")
        at += 2 + length
    return None


def test_a_message_in_fragments_without_end_is_refused(live: Served) -> None:
    """Empty ones are of no size, so no bound of sizes ends them."""
    with connected(live) as one:
        one.sendall(frame(TEXT) + frame(CONTINUED) * (MAX_FRAGMENTS + 1))
        assert code_of(one) == 1009


def test_a_message_in_some_fragments_is_read(live: Served) -> None:
    """Clients may send as they like, with pings in between."""
    with connected(live) as one:
        one.sendall(frame(TEXT, b'{"type":"pi') + frame(PING, b"?", fin=True) + frame(CONTINUED, b'ng"}', fin=True))
        heard = b""
        while not heard.endswith(b"}"):
            heard += one.recv(1_000)
        assert heard == b"\x8a\x01?" + b'\x81\x0f{"type":"pong"}'


@pytest.mark.parametrize(
    "begun", [frame(TEXT, b"x" * 1_000, size=500_000), frame(TEXT, b"{")], ids=["a frame", "fragments"]
)
def test_a_message_that_does_not_end_is_given_up(live: Served, begun: bytes) -> None:
    """Whether its last frame is not whole, or there is none; otherwise each connection could keep a message for ever."""
    with connected(live) as one:
        one.sendall(begun)
        assert code_of(one) in (4503, None)
    assert live.counted("katha_http_connections_closed_total", cause="silent") >= 1


def test_pings_of_who_does_not_read_take_no_memory(live: Served) -> None:
    """Each would have its answer kept."""
    before = live.memory()
    with connected(live) as one:
        flood = frame(PING, b"x" * 125, fin=True) * 8_000
        with contextlib.suppress(ConnectionError, TimeoutError):
            for _ in range(40):
                one.sendall(flood)
        assert live.memory() - before < 16 * MEGABYTE, "of 40 MB of pings"
        until(lambda: live.counted("katha_http_connections_closed_total", cause="unread") >= 1, "it is closed")


def test_messages_that_are_not_whole_share_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one gives back is another's."""
    monkeypatch.setattr(websocket, "_MESSAGES", Budget(2 * MEGABYTE))
    one, other, third = (WebSocket.__new__(WebSocket) for _ in range(3))
    one._arrives(MEGABYTE)
    other._arrives(MEGABYTE)
    third._arrives(1_000)
    with pytest.raises(Busy):
        third._arrives(MEGABYTE)
    one._arrives(0)
    third._arrives(MEGABYTE)


def test_an_idle_operation_takes_little_memory() -> None:
    """Thousands of them run in a process."""
    tracemalloc.start()
    try:
        operations = [Operation(None, str(number)) for number in range(100)]  # type: ignore[arg-type]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 1_000 * len(operations)


class Connection:
    """A connection that keeps how it was closed."""

    closed: tuple[int, str] | None = None

    def __init__(self) -> None:
        self.said: list[Any] = []

    def say(self, text: bytes) -> None:
        self.said.append(json.loads(text))

    async def drained(self) -> None: ...

    def close_with(self, code: int, reason: str) -> None:
        self.closed = code, reason

    def forget_handshake(self) -> None: ...

    def wait(self) -> None: ...

    def wait_no_more(self) -> None: ...


class Application:
    """An application whose database does this."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.streams = self.reads = self
        self._fault = fault

    async def fetch(self, *_: Any) -> None:
        if self._fault is not None:
            raise self._fault

    def extra(self, *_: Any) -> None: ...

    def loop_for(self, *_: Any) -> None: ...

    def open(self, *_: Any) -> None: ...

    def close(self, *_: Any) -> None: ...


def scope(connection: Connection) -> dict[str, Any]:
    """What ASGI says of a handshake."""
    return {
        "type": "websocket",
        "scheme": "ws",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "http_version": "1.1",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "root_path": "",
        "subprotocols": [SUBPROTOCOL],
        "connection": connection,
    }


@pytest.mark.parametrize(
    ("fault", "code"), [(ValueError(os.linesep), 4500), (Busy("There is no connection.", after_ms=5, cause="x"), 4503)]
)
def test_a_fault_of_the_server_has_a_code_of_its_own(fault: Exception, code: int) -> None:
    """4500 ends it for good, after 4503 graphql-ws comes back; and neither says what it was."""
    connection = Connection()

    async def connect() -> None:
        told = iter(['{"type":"connection_init","payload":{"Authorization":"Bearer katha_x"}}'])

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.receive", "text": next(told)}

        async def send(_: Any) -> None: ...

        await Socket(Application(fault), scope(connection), receive, send, Policy.of_settings()).run()

    asyncio.run(connect())
    assert connection.closed is not None
    assert connection.closed == (code, {4500: "Internal server error", 4503: "Busy"}[code])
