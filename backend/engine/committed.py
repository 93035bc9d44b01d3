"""Remembers whether the current request has committed a write.

A client whose write is committed must never be told that nothing was written, whatever fails afterwards. So each
mutation calls `begin`, the unit of work calls `note` right after its COMMIT, and error handling asks `has_committed`.
"""

from contextvars import ContextVar

from backend.engine.scoped import Scoped

_COMMITTED: ContextVar[bool] = ContextVar("committed", default=False)


def begin() -> None:
    """A mutation begins: it has committed nothing yet."""
    _COMMITTED.set(False)


def note() -> None:
    """A unit of work has been committed."""
    _COMMITTED.set(True)


def apart() -> Scoped[bool]:
    """What is committed inside is no part of the mutation that it happens in, such as the count of an attempt to sign in."""
    return Scoped(_COMMITTED, value=False)


def has_committed() -> bool:
    """Whether something was committed since the last `begin`."""
    return _COMMITTED.get()
