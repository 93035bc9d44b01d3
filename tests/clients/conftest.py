"""What the tests of the Python client need: what is generated, a wire to the server, and both of its clients."""

import asyncio
import runpy
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.wire import Wire

PACKAGE = Path(__file__).parents[2] / "clients" / "python"
runpy.run_path(str(PACKAGE / "generate.py"))["main"]()

from katha_client import AsyncClient, Client, Patience  # noqa: E402 - it imports what has just been made

QUICK = Patience(seconds=30.0, first_pause=0.02, longest_pause=0.2)
Connect = Callable[..., Any]
"""Makes a client with this token, of the kind that the test is about."""


class Awaited:
    """An object whose coroutines are run on a loop of its own: the async client for tests that were written for both."""

    def __init__(self, inner: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._inner, self._loop = inner, loop

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if not callable(value):
            return value

        def call(*arguments: Any, **named: Any) -> Any:
            return self._result(asyncio.run_coroutine_threadsafe(_called(value, arguments, named), self._loop).result())

        return call

    def _result(self, value: Any) -> Any:
        if hasattr(value, "__anext__"):
            return self._each(value)
        return Awaited(value, self._loop) if type(value).__name__.startswith("Async") else value

    def _each(self, values: Any) -> Iterator[Any]:
        end = object()
        try:
            while (value := asyncio.run_coroutine_threadsafe(_next(values, end), self._loop).result()) is not end:
                yield value
        finally:
            asyncio.run_coroutine_threadsafe(values.aclose(), self._loop).result()


async def _called(function: Any, arguments: Any, named: Any) -> Any:
    """Called on the loop's thread, as the program of an async client does."""
    value = function(*arguments, **named)
    return await value if asyncio.iscoroutine(value) else value


async def _next(values: Any, end: object) -> Any:
    return await anext(values, end)


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes clients, which are closed afterwards."""
    made: list[Any] = []
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    def of(url: str, token: str, patience: Patience = QUICK) -> Any:
        if request.param == "sync":
            made.append(Client(url, token, patience=patience))
        else:
            made.append(Awaited(AsyncClient(url, token, patience=patience), loop))
        return made[-1]

    yield of
    for client in made:
        client.close()
    loop.call_soon_threadsafe(loop.stop)


@pytest.fixture
def wire(server: str) -> Iterator[Wire]:
    """A wire to the server of the tests."""
    made = Wire(server)
    yield made
    made.close()
