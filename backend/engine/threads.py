"""Does something in a thread for somebody who waits in the event loop.

A future cannot carry every error. asyncio refuses a `StopIteration`, and then whoever waits does so for ever. A `GreenletExit` or
a `SystemExit` is no `Exception`: it passes those who answer a request that has failed, and the latter ends the process with all
its requests. So such an error becomes a `RuntimeError` where it is raised, as in a generator (PEP 479).
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from greenlet import GreenletExit  # type: ignore[import-untyped]

ResultT = TypeVar("ResultT")

NOT_CARRIED = (StopIteration, GeneratorExit, GreenletExit, SystemExit)


def carried(error: BaseException) -> RuntimeError:
    """The error that whoever waits is given instead of one that is not carried, as raised in the same place."""
    instead = RuntimeError(f"{type(error).__name__} was raised by what was done for somebody who waits")
    return instead.with_traceback(error.__traceback__)


def contained(call: Callable[[], ResultT]) -> ResultT:
    """What this call returns or raises, as a future carries it."""
    try:
        return call()
    except NOT_CARRIED as error:
        raise carried(error) from error


def in_thread(threads: Executor | None, call: Callable[[], ResultT]) -> "asyncio.Future[ResultT]":
    """Begin this call in one of these threads; None for those of the event loop."""
    return asyncio.get_running_loop().run_in_executor(threads, contained, call)
