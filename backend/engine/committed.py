"""Whether what runs here has committed something: the one place that remembers it.

A client whose write is committed must not hear that nothing was written, whatever goes wrong afterwards. So each mutation
begins with `begin`, the unit of work says `note` right after its COMMIT, and whoever makes an answer asks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_COMMITTED: ContextVar[bool] = ContextVar("committed", default=False)


def begin() -> None:
    """A request or another mutation of it begins: of this one nothing is committed yet."""
    _COMMITTED.set(False)


def note() -> None:
    """A unit of work has been committed."""
    _COMMITTED.set(True)


@contextmanager
def apart() -> Iterator[None]:
    """What is committed inside is no part of the mutation that it happens in, such as the count of an attempt to sign in."""
    token = _COMMITTED.set(False)
    try:
        yield
    finally:
        _COMMITTED.reset(token)


def has_committed() -> bool:
    """Whether something was committed since the last `begin`."""
    return _COMMITTED.get()
