"""One operation over a WebSocket: from its document to what its client is told, and its end."""

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import orjson
from django.core.exceptions import TooManyFieldsSent

from backend.engine.errors import RateLimited, Refusal
from backend.engine.refusal_log import log_refusal
from backend.live.subscriptions import Ending, Subscription
from schema.context import Context
from schema.execution.errors import RequestError, fault
from schema.execution.problems import Problem, log_problem
from schema.execution.watching import Watching
from schema.server import http
from schema.server.asked import checked
from schema.server.driving import driven
from schema.server.live.opening import opened, told_as_json
from schema.server.live.streams import why
from schema.server.requests import Request

if TYPE_CHECKING:
    from schema.server.live.socket import Socket

log = logging.getLogger("katha")


class Operation:
    """One operation over a WebSocket."""

    def __init__(self, socket: "Socket", id_: str) -> None:
        self._socket = socket
        self._id = json.dumps(id_).encode()  # what orjson makes keeps 4 kB, however little is in it
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

    def leave(self) -> asyncio.Task[None] | None:
        """The client wants no more of it, or has closed the connection. What a thread has begun is ended by its deadline: until
        then it is returned.
        """
        self._is_over = True
        if self._request is not None:
            self._request.deadline.leave()
            if self._task is not None and not self._request.deadline.begun:
                self._task.cancel()
        if self._subscription is not None:
            self._unsubscribe(Ending.LEFT)
        return self._task

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
