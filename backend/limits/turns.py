"""A concurrency limit for expensive requests, so that cheap ones do not wait behind them.

The cost of a request is known only once its document has been parsed. Code that finds it expensive calls
`wait_for_turn` before it executes anything. The server then puts the request into the queue for expensive ones, and
starts it again from the beginning when a slot is free.
"""

from collections.abc import Callable
from contextvars import ContextVar

MY_TURN: ContextVar[Callable[[], bool]] = ContextVar("my_turn", default=lambda: True)
"""Set by the server: whether this thread's request holds a slot for expensive requests."""


class Postponed(BaseException):
    """The request has to wait for a slot. Not an error: only the server catches it."""


def wait_for_turn() -> None:
    """Continue only if this expensive request holds a slot. Raises `Postponed`."""
    if not MY_TURN.get()():
        raise Postponed
