"""Waiting in an event loop for what others do."""

import asyncio
from collections.abc import Callable


async def until_it_is(true: Callable[[], bool]) -> None:
    """Wait in a moment's steps, so that the event loop goes on."""
    for _ in range(3_000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never was")
