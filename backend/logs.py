"""The log: one JSON line for each event, on stderr.

A line says where and what kind, never what with: an exception's message may quote a text, a password or a row (PostgreSQL's
DETAIL does), so of an exception only its type, its SQLSTATE, the constraint and the lines of code are logged.
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
"""What a line may say of its event, by `extra`; anything else that a library adds to a record is left out."""
MAX_FRAMES = 40
SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")


def request_id(sent: str | None) -> str:
    """The id that a request came with, if it is a plain one; or a new one."""
    return sent if sent and SANE_ID.fullmatch(sent) else os.urandom(16).hex()


def begin(**facts: Any) -> None:
    """Forget the facts that were bound; every line of this thread says these until the next time."""
    clear_contextvars()
    bind_contextvars(**facts)


def bind(**facts: Any) -> None:
    """Every further line says this too."""
    bind_contextvars(**facts)


def this_request() -> str | None:
    """The id of the request that this thread answers."""
    found: str | None = get_contextvars().get("request_id")
    return found


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and what it came from, as Python would show it."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def _name(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _frame(lines: str) -> str:
    """A line of a traceback: where, and the code there, without the marks under it."""
    return ": ".join(line.strip() for line in lines.splitlines()[:2])


def _described(error: BaseException) -> dict[str, Any]:
    """All that may be said of an exception: `stack` begins with what happened first, as a traceback does."""
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
    """Replace an exception by what may be said of it."""
    info = event.pop("exc_info", None)
    if isinstance(info, tuple) and info[1] is not None:
        event.update(_described(info[1]))
    event.pop("stack_info", None)
    return event


class _Discreet(logging.Filter):
    """Keeps what libraries say in messages from saying too much."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a record through, with exceptions among its arguments replaced by their types.

        Not so procrastinate's own account of a job, which holds its arguments: `backend.jobs` says what is to be said.
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
        # A refused request is no news; a fault is logged where it is masked.
        "django.request": {"level": "ERROR"},
        "django.security.csrf": {"level": "ERROR"},  # it would quote headers, too
    },
}
