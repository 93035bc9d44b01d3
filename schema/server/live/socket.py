"""GraphQL over a WebSocket, with the subprotocol graphql-transport-ws: several operations at a time over one connection.

What is wrong with an operation is told in its `error`. A client that does not keep to the protocol is closed with a code after
which graphql-ws does not come back; what is wrong here, with one after which it does. Never 1000.
"""

import asyncio
import logging
from collections.abc import Mapping
from time import monotonic
from typing import Any

import orjson
from django.conf import settings

from backend import logs
from backend.engine import metrics as engine_metrics
from backend.engine.deadline import Deadline
from backend.engine.errors import RateLimited, Refusal
from backend.engine.refusal_log import log_refusal
from backend.engine.values import as_text
from backend.limits.addresses import address_of
from backend.limits.spending import SPENDING
from backend.live import metrics
from backend.live.subscriptions import Ending
from resolvers.access import digest_of
from schema.execution.problems import Problem, log_problem
from schema.execution.watching import ACCOUNT
from schema.server import http, safety
from schema.server.arrival import Receive
from schema.server.live.operation import Operation
from schema.server.live.origins import require_our_page
from schema.server.live.streams import MARK_BYTES, Streams
from schema.server.policy import Policy
from schema.server.requests import Request, meta_of

log = logging.getLogger("katha")

SUBPROTOCOL = "graphql-transport-ws"
PATHS = ("/graphql", "/graphql/")
SCHEMES = {"ws": "http", "wss": "https"}

INVALID, UNAUTHORIZED, FORBIDDEN, SUBPROTOCOL_NEEDED = 4400, 4401, 4403, 4406
INIT_TIMEOUT, ALREADY_THERE, TWICE_INITIALISED = 4408, 4409, 4429
STOPPING = 1012
FAULT, AGAIN = 4500, 4503
"""Close codes. graphql-ws comes back after 1012, 4403, 4408 and 4503."""
OF_HANDSHAKE = {
    *("HTTP_UPGRADE", "HTTP_CONNECTION", "HTTP_ORIGIN", "HTTP_SEC_WEBSOCKET_KEY", "HTTP_SEC_WEBSOCKET_VERSION"),
    *("HTTP_SEC_WEBSOCKET_EXTENSIONS", "HTTP_SEC_WEBSOCKET_PROTOCOL"),
}
"""Headers that no operation needs: thousands of connections keep the others."""
ACK, PONG = b'{"type":"connection_ack"}', b'{"type":"pong"}'
TOO_MANY = "There are too many operations on this connection: at most {}. End one first."
LIMIT = "operations"


class Broken(Exception):
    """The client does not keep to the protocol: the connection is closed with a code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Socket:
    """One connection."""

    def __init__(self, application: Any, scope: Mapping[str, Any], receive: Receive, send: Any, policy: Policy) -> None:
        self._application, self._receive, self._send = application, receive, send
        self._streams: Streams = application.streams
        self._connection = scope["connection"]
        meta = meta_of({**scope, "method": "POST", "scheme": SCHEMES.get(scope["scheme"], scope["scheme"])})
        self._request: Request | None = Request(meta, policy)
        self._speaks = SUBPROTOCOL in scope["subprotocols"]
        self._meta, self._policy = meta, policy
        self._began = monotonic()
        self._is_greeted = self._is_acknowledged = False
        self._operations: dict[str, Operation] = {}
        self._leaving = 0
        """How many operations a thread still works for that the client wants no more of."""
        self._sender: str = ""
        """Whose allowance it uses."""

    async def run(self) -> None:
        """Serve it until it is closed."""
        try:
            self._require_welcome()
        except Problem as problem:
            await self._refuse(problem)
            return
        assert self._request is not None
        self._sender, self._request = address_of(self._request), None
        self._meta = {name: value for name, value in self._meta.items() if name not in OF_HANDSHAKE}
        accept: dict[str, Any] = {"type": "websocket.accept"}
        await self._send({**accept, "subprotocol": SUBPROTOCOL} if self._speaks else accept)
        if not self._speaks:
            self._connection.close_with(SUBPROTOCOL_NEEDED, "Subprotocol not acceptable")
            return
        self._connection.forget_handshake()
        self._connection.wait()
        self._streams.open(self, metrics.WEBSOCKET)
        try:
            await self._listen()
        finally:
            self._connection.wait_no_more()
            self._streams.close(self)
            self._leave()

    def _require_welcome(self) -> None:
        """Raise `Problem` if this client may not connect."""
        request = self._request
        assert request is not None
        safety.distrust(request)
        safety.require_our_host(request)
        if request.path not in PATHS:
            raise Problem(404, "NOT_FOUND", "There is nothing here. GraphQL is asked at /graphql.")
        if self._policy.https_only and not request.is_secure():
            raise Problem(403, "FORBIDDEN", "This server is asked over TLS only: wss://.")
        require_our_page(request)

    async def _refuse(self, problem: Problem) -> None:
        """Answer the handshake with a status."""
        log_problem(problem, url=self._meta["PATH_INFO"], request_id=logs.request_id(None))
        headers = [
            (b"content-type", b"application/json; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"server", b"Katha"),
        ]
        await self._send({"type": "websocket.http.response.start", "status": problem.status, "headers": headers})
        await self._send({"type": "websocket.http.response.body", "body": orjson.dumps(problem.answer)})

    # --- What the client says -----------------------------------------------------------------------------------

    async def _listen(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return
            if message["type"] != "websocket.receive":
                continue
            try:
                await self._hear(_parsed(message))
            except Broken as broken:
                self._connection.close_with(broken.code, broken.reason)
                return
            except Exception as error:
                engine_metrics.FAULTS.inc()
                log.error("fault", exc_info=error)
                self._connection.close_with(FAULT, "Internal server error")
                return
            await self._connection.drained()
            await asyncio.sleep(0)  # of a flood, others have their turn after each message

    async def _hear(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "connection_init":
                await self._greet(message.get("payload"))
            case "ping":
                self._charge()
                self._connection.say(PONG)
            case "pong":
                self._charge()
            case "subscribe":
                self._begin(message)
            case "complete":
                self._charge()
                self._end(_id_of(message))
            case _:
                raise Broken(INVALID, "Unknown type of message")

    def _charge(self) -> None:
        """Count what asks for nothing as a request that cannot be read. It is served all the same: it keeps streams open."""
        if settings.COST_A_MINUTE:
            SPENDING.charge(self._sender, http.MALFORMED_COST, settings.COST_A_MINUTE)

    def _end(self, id_: str) -> None:
        """complete: the client wants no more of it. What a thread does for it keeps its place until that is done."""
        operation = self._operations.get(id_)
        if operation is None:
            return
        self.done(id_)
        task = operation.leave()
        if task is not None:
            self._leaving += 1
            task.add_done_callback(self._has_left)

    def _has_left(self, _task: asyncio.Task[None]) -> None:
        self._leaving -= 1

    async def _greet(self, payload: Any) -> None:
        """connection_init: who is there. A browser cannot send headers, so the token may come here."""
        if self._is_greeted:
            raise Broken(TWICE_INITIALISED, "Too many initialisation requests")
        self._is_greeted = True
        if not isinstance(payload, dict | None):
            raise Broken(INVALID, "The payload of connection_init is no object")
        for name, value in (payload or {}).items():
            if name.lower() == "authorization":
                if not isinstance(value, str):
                    raise Broken(INVALID, "Authorization is no string")
                self._meta["HTTP_AUTHORIZATION"] = value
        token = digest_of(self._new_request())
        if token is not None and not await self._signs_in(token):
            raise Broken(FORBIDDEN, "Forbidden")
        self._is_acknowledged = True
        self._connection.say(ACK)

    async def _signs_in(self, token: bytes) -> bool:
        try:
            row = await self._streams.reads.fetch(ACCOUNT, [as_text(token)], Deadline(self._policy.request_seconds))
        except Refusal as refusal:
            log_refusal(refusal)
            raise Broken(AGAIN, "Busy") from None
        if row is None:
            return False
        assert row[0] is not None
        self._sender = row[0].decode()
        return True

    def _begin(self, message: dict[str, Any]) -> None:
        """subscribe: an operation of any kind."""
        id_, payload = _id_of(message), message.get("payload")
        if not isinstance(payload, dict):
            raise Broken(INVALID, "The payload of subscribe is no object")
        if not self._is_acknowledged:
            raise Broken(UNAUTHORIZED, "Unauthorized")
        if id_ in self._operations:
            raise Broken(ALREADY_THERE, f"Subscriber for {id_[:60]} already exists")
        operation = Operation(self, id_)
        if len(self._operations) + self._leaving >= settings.OPERATIONS_AT_ONCE:
            engine_metrics.LIMITED.labels(LIMIT).inc()
            self._charge()
            operation.refuse(RateLimited(LIMIT, TOO_MANY.format(settings.OPERATIONS_AT_ONCE), after_ms=0))
            return
        self._operations[id_] = operation
        self._connection.wait_no_more()
        operation.begin(payload)

    # --- What operations need -----------------------------------------------------------------------------------

    def _new_request(self) -> Request:
        return Request(self._meta.copy(), self._policy)

    def request(self) -> Request:
        """A request for one operation, whose time begins now."""
        request = self._new_request()
        request.arrived(b"")
        request.receive = _nothing
        return request

    @property
    def streams(self) -> Streams:
        """The streams of the process."""
        return self._streams

    def server(self, request: Request) -> Any:
        """What gives the work for an operation what it needs."""
        return self._application.loop_for(request)

    def say(self, text: bytes) -> None:
        """Send a message."""
        self._connection.say(text)

    @property
    def is_ready(self) -> bool:
        """Whether the client has read so much that more may be sent."""
        return not self._connection.close_sent and self._connection.unread() < MARK_BYTES

    def done(self, id_: str) -> None:
        """An operation has ended. Without any, the connection is one that may have to make room for another one."""
        if self._operations.pop(id_, None) is not None and not self._operations:
            self._connection.wait()

    def close(self, ending: Ending) -> None:
        """End the connection with all that runs over it."""
        if ending is Ending.SIGNED_OUT:
            self._connection.close_with(FORBIDDEN, "Forbidden")
        elif ending is Ending.STOPPING:
            self._connection.close_with(STOPPING, "Service restart")

    # --- Time, and the end --------------------------------------------------------------------------------------

    async def look(self, now: float) -> None:
        """Close it if it does not say who is there. Called about every second."""
        if not self._is_greeted and now - self._began >= settings.INIT_SECONDS:
            self._connection.close_with(INIT_TIMEOUT, "Connection initialisation timeout")

    def _leave(self) -> None:
        operations, self._operations = self._operations, {}
        for operation in operations.values():
            operation.leave()


def _parsed(message: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object of a message. Raises `Broken`."""
    text = message.get("text")
    try:
        found = None if text is None else orjson.loads(text)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise Broken(INVALID, "The message is no JSON object")
    return found


def _id_of(message: Mapping[str, Any]) -> str:
    id_ = message.get("id")
    if not isinstance(id_, str) or not id_:
        raise Broken(INVALID, "The message has no id")
    return id_


async def _nothing() -> Mapping[str, Any]:
    """The end of the connection is heard elsewhere."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError
