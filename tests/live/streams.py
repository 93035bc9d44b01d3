"""Clients of live updates that speak over real sockets: what the protocols say, byte by byte where it matters."""

import json
import socket
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection
from time import monotonic
from types import TracebackType
from typing import Any

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from backend.people.models import Account
from backend.people.sessions import SessionStore
from tests.api import ApiClient

PATIENCE_SECONDS = 20
SILENT_SECONDS = 60
"""How long a stream may say nothing, when something is waited for."""
SUBPROTOCOL = "graphql-transport-ws"
BIO = (
    "subscription ($things: [SeenInput!]!) { changed(things: $things) { id version thing { ... on Person { bio } } } }"
)


def things(*ids: str, version: str | None = None) -> dict[str, Any]:
    """Variables of `changed`."""
    return {"things": [{"id": id_, "version": version} for id_ in ids]}


def _narrow(place: tuple[str, int], receive_buffer: int) -> socket.socket:
    """A connection that takes little before it is read from."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    made.settimeout(PATIENCE_SECONDS)
    made.connect(place)
    return made


class Sse:
    """A stream of events."""

    def __init__(
        self,
        place: tuple[str, int],
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        who: ApiClient | None = None,
        headers: Mapping[str, str] | None = None,
        receive_buffer: int | None = None,
    ) -> None:
        self._connection = HTTPConnection(*place, timeout=PATIENCE_SECONDS)
        if receive_buffer is not None:
            self._connection.sock = _narrow(place, receive_buffer)
        token = {"Authorization": f"Bearer {who.token}"} if who is not None and who.token else {}
        sent = {"Accept": "text/event-stream", "Content-Type": "application/json", **token, **(headers or {})}
        self._connection.request("POST", "/graphql", json.dumps({"query": query, "variables": variables or {}}), sent)
        self.port: int = self._connection.sock.getsockname()[1]
        """Of this end of the connection."""
        self.response = self._connection.getresponse()

    def __enter__(self) -> "Sse":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave."""
        self.response.close()
        self._connection.close()

    def lines(self) -> list[str]:
        """The lines of the next event or comment; none at the end of the stream."""
        found: list[str] = []
        while True:
            line = self.response.readline().decode()
            if not line:
                return found
            if line == "\n":
                return found
            found.append(line.rstrip("\n"))

    def event(self) -> tuple[str, Any] | None:
        """The next event, by name, with its data; None at the end of the stream. Comments are left out."""
        over = monotonic() + SILENT_SECONDS
        while lines := self.lines():
            assert monotonic() < over, "nothing but comments comes"
            if not lines[0].startswith(":"):
                name, data = lines[0].removeprefix("event: "), lines[1].removeprefix("data: ")
                return name, json.loads(data) if data else None
        return None

    def next(self) -> Any:
        """The data of the next execution result."""
        found = self.event()
        assert found is not None
        name, result = found
        assert name == "next", found
        assert "errors" not in result, result
        return result["data"]

    def all(self) -> list[tuple[str, Any]]:
        """All events to the end."""
        found = []
        while one := self.event():
            found.append(one)
        return found


class Ws:
    """A WebSocket that speaks graphql-transport-ws."""

    def __init__(
        self,
        place: tuple[str, int],
        *,
        who: ApiClient | None = None,
        greet: bool = True,
        subprotocols: Sequence[str] | None = (SUBPROTOCOL,),
        headers: Mapping[str, str] | None = None,
        origin: str | None = None,
        host: str | None = None,
        receive_buffer: int | None = None,
    ) -> None:
        address = "ws://{}:{}/graphql".format(*place)
        given: Any = {} if host is None else {"sock": socket.create_connection(place)}
        if receive_buffer is not None:
            given = {"sock": _narrow(place, receive_buffer), "max_queue": 1}
        self.socket = connect(
            address if host is None else f"ws://{host}/graphql",
            subprotocols=subprotocols,  # type: ignore[arg-type]
            additional_headers=dict(headers or {}),
            origin=origin,  # type: ignore[arg-type]
            compression=None,
            ping_interval=None,
            max_size=None,
            **given,
        )
        if greet:
            payload = {"Authorization": f"Bearer {who.token}"} if who is not None else None
            self.say(type="connection_init", **({} if payload is None else {"payload": payload}))
            assert self.hear() == {"type": "connection_ack"}

    def __enter__(self) -> "Ws":
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave."""
        self.socket.close()

    def say(self, **message: Any) -> None:
        """Send a message."""
        self.socket.send(json.dumps(message))

    def hear(self) -> Any:
        """The next message."""
        return json.loads(self.socket.recv(PATIENCE_SECONDS))

    def begin(self, id_: str, query: str, variables: Mapping[str, Any] | None = None) -> None:
        """Begin an operation."""
        self.say(type="subscribe", id=id_, payload={"query": query, "variables": variables or {}})

    def next(self, id_: str = "1") -> Any:
        """The data of the next execution result, of this operation."""
        message = self.hear()
        assert (message["type"], message["id"]) == ("next", id_), message
        assert "errors" not in message["payload"], message
        return message["payload"]["data"]

    def _hear_all(self) -> None:
        while True:
            self.socket.recv(PATIENCE_SECONDS)

    def closed(self) -> tuple[int, str]:
        """Wait until the server closes it; its code and reason."""
        with pytest.raises(ConnectionClosed) as closed:
            self._hear_all()
        frame = closed.value.rcvd
        assert frame is not None, "it was closed without a code"
        return frame.code, frame.reason


def session_of(caller: ApiClient) -> str:
    """The key of a session that signs this person in."""
    account = Account.objects.get(person=caller.person)
    store = SessionStore()
    store[SESSION_KEY] = str(account.pk)
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store[HASH_SESSION_KEY] = account.get_session_auth_hash()
    store.create()
    assert store.session_key is not None
    return store.session_key


def assert_told_to(last: int, stream: Sse | Ws) -> None:
    """Of a person whose bio names its version: each version once and in order, up to the last one."""
    told = [1]
    while told[-1] < last:
        change = stream.next()["changed"]
        assert change["thing"]["bio"] == f"Version {change['version']}"
        told.append(int(change["version"]))
    assert told == sorted(set(told))
