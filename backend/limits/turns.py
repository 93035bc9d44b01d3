"""Requests that ask for much wait for one another, so that those that ask for little do not wait for them.

How much a request asks for is only known once its document has been read. So whoever finds that out says it here, before
anything has been done; the server then lets go of the request, and answers it from the beginning when it is its turn.
"""

from collections.abc import Callable
from contextvars import ContextVar

MY_TURN: ContextVar[Callable[[], bool]] = ContextVar("my_turn", default=lambda: True)
"""Whether the request that this thread answers may ask for much now."""


class Postponed(BaseException):
    """It is not the turn of this request yet. No error: nobody but the server is to catch it."""


def wait_for_turn() -> None:
    """Go on only if it is the turn of this request, which asks for much. Raises `Postponed`."""
    if not MY_TURN.get()():
        raise Postponed
