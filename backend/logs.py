"""The log: one JSON line for each event, on stderr.

No line contains user data. An exception's message may quote a text, a password or a row (PostgreSQL's DETAIL does), so
only its type, its SQLSTATE, the constraint and the lines of code are logged.
"""

import logging
import os
import re
import traceback
from collections.abc import Iterator
from typing import Any

import orjson
import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

FACTS = ("operation", "mutation", "path", "viewer", "type", "fields", "code", "task", "job")
"""The fields that may be passed as `extra`; any other attribute that a library adds to a record is dropped."""
MAX_FRAMES = 40
SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")


def request_id(sent: str | None) -> str:
    """The request id that the client sent if it is well-formed, else a new one."""
    return sent if sent and SANE_ID.fullmatch(sent) else os.urandom(16).hex()


def begin(**facts: Any) -> None:
    """Replace the bound fields of this thread: every following line has these."""
    clear_contextvars()
    bind_contextvars(**facts)


def bind(**facts: Any) -> None:
    """Add bound fields: every following line has these too."""
    bind_contextvars(**facts)


def this_request() -> str | None:
    """The id of the request that this thread handles."""
    found: str | None = get_contextvars().get("request_id")
    return found


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and its causes, in the order in which Python follows them."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def _name(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _frame(lines: str) -> str:
    """A traceback entry in one line: the place and the code, without the markers under it."""
    return ": ".join(line.strip() for line in lines.splitlines()[:2])


def _described(error: BaseException) -> dict[str, Any]:
    """The loggable parts of an exception. `stack` has the oldest entry first, like a traceback."""
    stack: list[str] = []
    said: dict[str, Any] = {"exception": _name(error)}
    for one in _chain(error):
        frames = traceback.format_tb(one.__traceback__, limit=-MAX_FRAMES)
        stack[:0] = [*(_frame(frame) for frame in frames), _name(one)]
        diagnosis = getattr(one, "diag", None)
        for name in ("sqlstate", "constraint_name", "table_name"):
            value = getattr(diagnosis, name, None)
            if value:
                said.setdefault(name, value)
    return {**said, "stack": stack}


def _exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace an exception by its loggable parts."""
    info = event.pop("exc_info", None)
    if isinstance(info, tuple) and info[1] is not None:
        event.update(_described(info[1]))
    event.pop("stack_info", None)
    return event


class _Discreet(logging.Filter):
    """Removes user data from the log messages of libraries."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass a record on, with exceptions among its arguments replaced by their types.

        Drops procrastinate's own messages about jobs, which contain job arguments; `backend.jobs` logs jobs instead.
        """
        if isinstance(record.args, tuple):
            record.args = tuple(_name(one) if isinstance(one, BaseException) else one for one in record.args)
        return not str(getattr(record, "action", "")).startswith("job_")


def _json(value: Any, **_: Any) -> str:
    return orjson.dumps(value, default=str).decode()


FIRST: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    ExtraAdder(FACTS),
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    _exception,
]

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"discreet": {"()": _Discreet}},
    "formatters": {
        "json": {
            "()": ProcessorFormatter,
            "foreign_pre_chain": FIRST,
            "processors": [
                ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_json),
            ],
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "filters": ["discreet"]}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "katha": {"level": "INFO"},
        # Refused requests are not logged; internal errors are logged where they are masked.
        "django.request": {"level": "ERROR"},
        "django.security.csrf": {"level": "ERROR"},  # it would quote headers
    },
}
