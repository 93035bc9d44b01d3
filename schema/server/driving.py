"""Drives the work for a request: gives it slots and what it reads, and goes on with it in the event loop, a fiber or a thread."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from backend.engine.errors import RateLimited
from backend.engine.frames import with_room
from backend.engine.threads import NOT_CARRIED, carried
from backend.limits.admission import HASHING, MUTATIONS, REQUESTS, NoSlot
from backend.postgresql.reads import Row, Statement
from schema.execution.run import NOT_SERVED
from schema.execution.steps import InThread, Need, Read, Slot, Steps
from schema.server.requests import Request

DoneT = TypeVar("DoneT")


class Server(Protocol):
    """What gives the work for one request what it needs."""

    def slot(self, lane: str) -> AbstractAsyncContextManager[None]:
        """A slot of this lane, held inside. Raises `NoSlot` if none is free in time."""

    async def in_thread(self, lane: str, call: Callable[[], Any]) -> Any:
        """What it returns or raises in a thread for work in this lane."""

    async def in_fiber(self, call: Callable[[], Any]) -> Any:
        """What it returns or raises in a fiber."""

    async def fetch(self, statement: Statement, parameters: Sequence[bytes | None]) -> Row | None:
        """The first row of what it selects. Raises what `Reads.fetch` does."""


class Done(Generic[DoneT]):
    """What the work has come to."""

    def __init__(self, value: DoneT) -> None:
        self.value = value


async def driven(request: Request, steps: Steps[DoneT], server: Server) -> DoneT:
    """Do the work. Without a slot for hashing it is done all the same, and tells so in its own types."""
    drive, needed = _Drive(steps, server), Slot(REQUESTS)
    while True:
        try:
            done = await drive.in_slot(needed.lane)
        except NoSlot as refusal:
            if needed.instead is None:
                raise
            request.hashing_refusal = RateLimited(HASHING, after_ms=refusal.after_ms)
            needed = Slot(needed.instead)
            continue
        if isinstance(done, Done):
            return done.value
        needed = done


class _Drive(Generic[DoneT]):
    """Work that is under way."""

    def __init__(self, steps: Steps[DoneT], server: Server) -> None:
        self._steps, self._server = steps, server
        self._is_in_thread = False

    async def in_slot(self, lane: str) -> Slot | Done[DoneT]:
        """Go on in a slot of this lane, until the work is done or needs another one."""
        async with self._server.slot(lane):
            self._is_in_thread = lane == HASHING or (self._is_in_thread and lane != MUTATIONS)
            go_on = self._without
            while True:
                need = await self._next(lane, go_on)
                match need:
                    case Read():
                        self._is_in_thread = False
                        go_on = await self._read(need)
                    case InThread():
                        self._is_in_thread = True
                        go_on = self._without
                    case _:
                        return need

    async def _read(self, read: Read) -> Callable[[], Need]:
        """Goes on with what was read, or with what refuses it."""
        try:
            row = await self._server.fetch(read.statement, read.parameters)
        except NOT_SERVED as error:
            return partial(self._steps.throw, error)
        return partial(self._steps.send, row)

    def _without(self) -> Need:
        return self._steps.send(None)

    async def _next(self, lane: str, go_on: Callable[[], Need]) -> Need | Done[DoneT]:
        """What the work needs next that this place cannot give, or what it has come to."""
        if self._is_in_thread:
            coming = self._server.in_thread(lane, partial(with_room, self._through_threads, go_on))
        elif lane == MUTATIONS:
            coming = self._server.in_fiber(partial(_advanced, go_on))
        else:
            return _advanced(go_on)
        found: Need | Done[DoneT] = await coming
        return found

    def _through_threads(self, go_on: Callable[[], Need]) -> Need | Done[DoneT]:
        """Go on until it needs something else than a thread."""
        need: Need | Done[DoneT] = _advanced(go_on)
        while isinstance(need, InThread):
            need = _advanced(self._without)
        return need


def _advanced(go_on: Callable[[], Need]) -> Need | Done[Any]:
    try:
        return go_on()
    except StopIteration as stop:  # which could not leave a coroutine or a thread
        return Done(stop.value)
    except NOT_CARRIED as error:
        raise carried(error) from error
