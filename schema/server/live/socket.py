"""GraphQL over a WebSocket, with the subprotocol graphql-transport-ws: several operations at a time over one connection.

What is wrong with an operation is told in its `error`. A client that does not keep to the protocol is closed with a code after
which graphql-ws does not come back; what is wrong here, with one after which it does. Never 1000.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from time import monotonic
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import TooManyFieldsSent

from backend import logs
from backend.engine import metrics as engine_metrics
from backend.engine.deadline import Deadline
from backend.engine.errors import RateLimited, Refusal
from backend.engine.refusal_log import log_refusal
from backend.engine.values import as_text
from backend.live import metrics
from backend.live.subscriptions import Ending, Subscription
from resolvers.access import digest_of
from schema.context import Context
from schema.execution.errors import RequestError, fault
from schema.execution.problems import Problem, log_problem
from schema.execution.watching import ACCOUNT, Watching
from schema.server import http, safety
from schema.server.arrival import Receive
from schema.server.asked import checked
from schema.server.driving import driven
from schema.server.live.opening import opened, told_as_json
from schema.server.live.origins import require_our_page
from schema.server.live.streams import MARK_BYTES, Streams, why
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

    async def run(self) -> None:
        """Serve it until it is closed."""
        try:
            self._require_welcome()
        except Problem as problem:
            await self._refuse(problem)
            return
        self._request = None
        accept: dict[str, Any] = {"type": "websocket.accept"}
        await self._send({**accept, "subprotocol": SUBPROTOCOL} if self._speaks else accept)
        if not self._speaks:
            self._connection.close_with(SUBPROTOCOL_NEEDED, "Subprotocol not acceptable")
            return
        self._connection.forget_handshake()
        self._streams.open(self, metrics.WEBSOCKET)
        try:
            await self._listen()
        finally:
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

    async def _hear(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "connection_init":
                await self._greet(message.get("payload"))
            case "ping":
                self._connection.say(PONG)
            case "pong":
                return
            case "subscribe":
                self._begin(message)
            case "complete":
                operation = self._operations.pop(_id_of(message), None)
                if operation is not None:
                    operation.leave()
            case _:
                raise Broken(INVALID, "Unknown type of message")

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
        return row is not None

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
        if len(self._operations) >= settings.OPERATIONS_AT_ONCE:
            engine_metrics.LIMITED.labels(LIMIT).inc()
            operation.refuse(RateLimited(LIMIT, TOO_MANY.format(settings.OPERATIONS_AT_ONCE), after_ms=0))
            return
        self._operations[id_] = operation
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
        """An operation has ended."""
        self._operations.pop(id_, None)

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


class Operation:
    """One operation over a WebSocket."""

    def __init__(self, socket: Socket, id_: str) -> None:
        self._socket, self._id = (
            socket,
            json.dumps(id_).encode(),
        )  # what orjson makes keeps 4 kB, however little is in it
        self.id = id_
        self._task: asyncio.Task[None] | None = None
        self._request: Request | None = None
        self._subscription: Subscription | None = None
        self._is_over = False

    def begin(self, payload: dict[str, Any]) -> None:
        """Do it."""
        self._request = self._socket.request()
        self._task = asyncio.get_running_loop().create_task(self._run(self._request, payload))

    async def _run(self, request: Request, payload: dict[str, Any]) -> None:
        try:
            found = await self._opened(request, payload)
            if self._is_over:
                return
            if isinstance(found, Watching):
                self._subscription = self._socket.streams.subscribe(found, self)
            elif found is not None:
                self._say(b"next", found)
                self._complete()
        except RateLimited as refusal:
            self.refuse(refusal)
        except asyncio.CancelledError:
            if not self._is_over:  # the server stops
                self._socket.close(Ending.STOPPING)
        except Exception as error:
            log.error("fault", exc_info=error, extra=request.facts)
            self.refuse(fault(request.id))
        finally:
            self._task = self._request = None

    async def _opened(self, request: Request, payload: dict[str, Any]) -> bytes | Watching | None:
        """What it has come to; None if it was refused, which was told."""
        context = Context(request)
        try:
            context.require_allowance()
            asked = checked(payload)
            return await driven(
                request, opened(request, asked, context, self._socket.streams.extra), self._socket.server(request)
            )
        except Problem as problem:
            context.charge(http.REJECTED_COST if isinstance(problem, RequestError) else http.MALFORMED_COST)
            log_problem(problem, **request.facts)
            self.refuse(problem)
        except TooManyFieldsSent:
            self.refuse(Problem(400, "BAD_REQUEST", "The request holds too many parameters."))
        except Refusal as refusal:
            log_refusal(refusal, **request.facts)
            self.refuse(refusal)
        return None

    # --- What it tells ------------------------------------------------------------------------------------------

    def _say(self, type_: bytes, payload: bytes) -> None:
        self._socket.say(b'{"id":' + self._id + b',"type":"' + type_ + b'","payload":' + payload + b"}")

    def _complete(self) -> None:
        self._is_over = True
        self._socket.done(self.id)
        self._socket.say(b'{"id":' + self._id + b',"type":"complete"}')

    def refuse(self, refusal: Refusal | Problem) -> None:
        """Tell why it is not done, or goes on no more."""
        if self._is_over:
            return
        self._is_over = True
        self._socket.done(self.id)
        errors = orjson.loads(told_as_json(refusal))["errors"]
        self._say(b"error", orjson.dumps(errors))

    def leave(self) -> None:
        """The client wants no more of it, or has closed the connection. What a thread has begun is ended by its deadline."""
        self._is_over = True
        if self._request is not None:
            self._request.deadline.leave()
            if self._task is not None and not self._request.deadline.begun:
                self._task.cancel()
        if self._subscription is not None:
            self._unsubscribe(Ending.LEFT)

    def _unsubscribe(self, ending: Ending) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            self._socket.streams.unsubscribe(subscription, ending)

    # --- What the hub asks and tells -----------------------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """Whether the client has read so much that more may be sent."""
        return self._socket.is_ready

    async def send(self, payload: bytes) -> None:
        """Send one execution result."""
        self._say(b"next", payload)

    def end(self, ending: Ending) -> None:
        """Nothing more comes."""
        self._unsubscribe(ending)
        reason = why(ending)
        if ending in (Ending.SIGNED_OUT, Ending.STOPPING):
            self._socket.close(ending)
        elif reason is not None and not self._is_over:
            self._is_over = True
            self._socket.done(self.id)
            self._say(b"error", orjson.dumps(orjson.loads(reason)["errors"]))


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
