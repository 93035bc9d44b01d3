"""The fields that every line has which this thread, or this task, logs from now on: of which request it is.

structlog has a context variable for each field, and looks through all variables to clear them; here they are one.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from structlog.typing import EventDict, WrappedLogger

_BOUND: ContextVar[Mapping[str, Any]] = ContextVar("bound", default=MappingProxyType({}))


def begin(**facts: Any) -> None:
    """Replace the bound fields: every following line has these."""
    _BOUND.set(facts)


def bind(**facts: Any) -> None:
    """Add bound fields: every following line has these too."""
    _BOUND.set({**_BOUND.get(), **facts})


def bound() -> Mapping[str, Any]:
    """The bound fields."""
    return _BOUND.get()


def merge_bound(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A processor of structlog: add the bound fields that a line does not say itself."""
    for name, value in bound().items():
        event.setdefault(name, value)
    return event
