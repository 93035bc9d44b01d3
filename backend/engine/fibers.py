"""Runs code that waits for the database in the event loop's own thread: while it waits, the loop goes on with other requests.

A fiber is a greenlet (greenlet.readthedocs.io): it has a stack and a context of its own, and so a connection of Django's of its
own. What runs in it reads as it does in a thread. Where it has to wait it tells the event loop for what, and goes on once that is
there. A write is then answered without a thread, whose every wait costs a change of threads and of who holds Python's lock.

Inside a fiber nothing of the event loop may be called: its C code keeps pointers into its stack, which is put aside meanwhile.
And nothing may block but by `wait` and `blocking`, nor take long in Python but by `blocking`: everybody would wait.
"""

import asyncio
from asyncio import _get_running_loop
from collections.abc import Callable
from contextvars import Context
from time import monotonic
from typing import Any, NamedTuple, TypeVar

import psycopg
from django.core.exceptions import SynchronousOnlyOperation
from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]
from psycopg.abc import PQGen
from psycopg.waiting import Ready, Wait

from backend.engine.frames import with_room
from backend.engine.threads import contained

ResultT = TypeVar("ResultT")

WATCH_SECONDS = 0.2
"""How often it is looked who has waited too long."""
NOT_HERE = "The database must not be waited for in the event loop itself: do it in a fiber or in a thread."


class _Socket(NamedTuple):
    """What a fiber waits for: that a socket can be read, or written to."""

    number: int
    wants: Wait
    until: float | None
    """When it gives up (monotonic seconds)."""


class _Outcome(NamedTuple):
    """What a call in a fiber has come to."""

    value: Any
    error: BaseException | None = None


class Fiber(greenlet):  # type: ignore[misc]
    """Does one call after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.gr_context = Context()
        self.socket: _Socket | None = None
        """What it waits for, or has last waited for in this call."""
        self.pipeline: Any = None
        """That of its connection (`pipeline.current`)."""

    def run(self, call: Callable[[], Any]) -> None:
        """Do this call, and those that it is switched to after that."""
        with_room(self._run, call)

    def _run(self, call: Callable[[], Any]) -> None:
        while True:
            call = self.parent.switch(_outcome(call))


def current() -> Fiber | None:
    """The fiber in which this runs; None outside of fibers."""
    here = getcurrent()
    return here if type(here) is Fiber else None


def wait(raw: Any, steps: PQGen[ResultT], seconds: float | None) -> ResultT:
    """What these steps of psycopg come to, on this connection, in this fiber. Raises `OperationalError` after so many seconds."""
    here = getcurrent()
    until = None if seconds is None else monotonic() + seconds
    try:
        wants = next(steps)
        while True:
            wants = steps.send(here.parent.switch(_Socket(raw.pgconn.socket, wants, until)))
    except StopIteration as stop:
        found: ResultT = stop.value
        return found


def blocking(call: Callable[[], ResultT]) -> ResultT:
    """What this call returns or raises, which may block or take long: a fiber lets a thread do it, all others do it here.

    The thread has another connection to the database, and nothing of the fiber's context.
    """
    here = current()
    if here is None:
        return call()
    done: asyncio.Future[ResultT] = here.parent.switch(call)
    return done.result()


def require_none_waits() -> None:
    """Raise `SynchronousOnlyOperation` in an event loop's own code, which must not wait for the database."""
    if _get_running_loop() is not None:
        raise SynchronousOnlyOperation(NOT_HERE)


class Fibers:
    """The fibers of one event loop: as many as there were calls at once."""

    def __init__(self, in_thread: Callable[[Callable[[], Any]], "asyncio.Future[Any]"]) -> None:
        """`in_thread` begins a call in a thread."""
        self._in_thread = in_thread
        self._idle: list[Fiber] = []
        self._results: dict[Fiber, asyncio.Future[Any]] = {}
        """Of those that are at work."""
        self._watch: asyncio.TimerHandle | None = None

    async def run(self, call: Callable[[], ResultT]) -> ResultT:
        """What this call returns or raises in a fiber. It goes on also if nobody waits for that any more."""
        fiber = self._idle.pop() if self._idle else Fiber()
        result: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._results[fiber] = result
        self._go_on(fiber, call)
        return await result

    async def close(self, call: Callable[[], Any]) -> None:
        """End all fibers: those at work find that their connection is lost, the others do this last call."""
        for fiber in list(self._results):
            if fiber.socket is not None:
                self._give_up(fiber, "the connection was closed: the process ends")
        while self._idle:
            fiber = self._idle[-1]
            await self.run(call)
            self._idle.remove(fiber)
        if self._watch is not None:
            self._watch.cancel()

    def _go_on(self, fiber: Fiber, value: Any) -> None:
        self._serve(fiber, fiber.switch(value))

    def _give_up(self, fiber: Fiber, why: str) -> None:
        self._forget_socket(fiber)
        self._serve(fiber, fiber.throw(psycopg.OperationalError(why)))

    def _serve(self, fiber: Fiber, need: Any) -> None:
        """Give the fiber what it needs once that is there, or take what it has come to."""
        if type(need) is _Outcome:
            self._forget_socket(fiber)
            self._end(fiber, need)
            return
        try:
            if type(need) is _Socket:
                self._watch_socket(fiber, need)
            else:
                self._forget_socket(fiber)
                self._in_thread(need).add_done_callback(lambda done: self._go_on(fiber, done))
        except (OSError, RuntimeError) as error:  # the system watches no more sockets, or the process ends
            self._give_up(fiber, f"the connection was closed: {error}")

    def _end(self, fiber: Fiber, outcome: _Outcome) -> None:
        result = self._results.pop(fiber)
        self._idle.append(fiber)
        if result.done():  # whoever waited for it was cancelled
            return
        if outcome.error is None:
            result.set_result(outcome.value)
        else:
            result.set_exception(outcome.error)

    def _watch_socket(self, fiber: Fiber, need: _Socket) -> None:
        """The socket stays watched while the fiber waits for it again and again: to begin takes as long as a short answer."""
        before, loop = fiber.socket, asyncio.get_running_loop()
        if before is None or before[:2] != need[:2]:
            self._forget_socket(fiber)
            fiber.socket = need
            if need.wants & Wait.R:
                loop.add_reader(need.number, self._go_on, fiber, Ready.R)
            if need.wants & Wait.W:
                loop.add_writer(need.number, self._go_on, fiber, Ready.W)
        fiber.socket = need
        if self._watch is None:
            self._watch = loop.call_later(WATCH_SECONDS, self._look)

    def _forget_socket(self, fiber: Fiber) -> None:
        """Before anything else happens in the loop: the fiber may have closed the socket."""
        need, fiber.socket = fiber.socket, None
        if need is None:
            return
        loop = asyncio.get_running_loop()
        if need.wants & Wait.R:
            loop.remove_reader(need.number)
        if need.wants & Wait.W:
            loop.remove_writer(need.number)

    def _look(self) -> None:
        """Let those go on that have waited too long."""
        self._watch, now = None, monotonic()
        for fiber in list(self._results):
            if fiber.socket is not None and fiber.socket.until is not None and now >= fiber.socket.until:
                self._give_up(fiber, "the database timed out: timeout expired")
        if self._results and self._watch is None:
            self._watch = asyncio.get_running_loop().call_later(WATCH_SECONDS, self._look)


def _outcome(call: Callable[[], Any]) -> _Outcome:
    try:
        return _Outcome(contained(call))
    except BaseException as error:
        return _Outcome(None, error)
