"""The log: one JSON line for each event, on stderr; the same one that repeats is throttled. A terminal gets text to read.

No line contains user data. An exception's message may quote a text, a password or a row (PostgreSQL's DETAIL does), so
only its type, its SQLSTATE, the cause in our own words, the constraint and the lines of code are logged.

bound      the fields that every line of a request has
causes     why the database failed, in words
queued     the handler whose lines a thread writes
throttle   the handler that counts repetitions instead of writing them
"""

import logging
import os
import re
import traceback
from typing import Any

import orjson
import structlog
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from backend.logs.bound import begin as begin
from backend.logs.bound import bind as bind
from backend.logs.bound import bound, merge_bound
from backend.logs.causes import chain, database_facts
from backend.logs.throttle import name_of
from backend.tracing import add_trace_id

REQUEST = ("request_id", "method", "url", "operation", "mutation", "path", "viewer")
DATABASE = ("cause", "sqlstate", "constraint_name", "table_name")
FACTS = (*REQUEST, *DATABASE, "type", "thing", "fields", "code", "limit", "task", "job", "exception", "times")
"""The fields that may be passed as `extra`; any other attribute that a library adds to a record is dropped."""
MAX_FRAMES = 40
SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")


def request_id(sent: str | None) -> str:
    """The request id that the client sent if it is well-formed, else a new one."""
    return sent if sent and SANE_ID.fullmatch(sent) else os.urandom(16).hex()


def this_request() -> str | None:
    """The id of the request that this thread handles."""
    return bound().get("request_id")


def looked_at(kind: str, thing: str | None, *, viewer: str) -> None:
    """Log that somebody whose role lets them has looked at what is not public; without a thing, at a list of its kind."""
    facts = {"type": kind, "viewer": viewer, **({} if thing is None else {"thing": thing})}
    logging.getLogger("katha").info("looked at what is not public", extra=facts)


def _frame(lines: str) -> str:
    """A traceback entry in one line: the place and the code, without the markers under it."""
    return ": ".join(line.strip() for line in lines.splitlines()[:2])


def _described(error: BaseException) -> dict[str, Any]:
    """The loggable parts of an exception. `stack` has the oldest entry first, like a traceback."""
    stack: list[str] = []
    for one in chain(error):
        frames = traceback.format_tb(one.__traceback__, limit=-MAX_FRAMES)
        stack[:0] = [*(_frame(frame) for frame in frames), name_of(one)]
    return {"exception": name_of(error), **database_facts(error), "stack": stack}


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
        """Pass a record on, with exceptions among its arguments replaced by their types, and causes if they are known.

        Drops procrastinate's own messages about jobs, which contain job arguments, and about a database that is away;
        `backend.jobs` logs both instead, and an outage once. Drops Django's about a response of status 500 or more without
        an exception: the view that made it has said why.
        """
        error = record.exc_info[1] if record.exc_info else None
        if record.name.startswith("procrastinate") and type(error).__name__ == "ConnectorException":
            return False
        if record.name == "django.request" and not record.exc_info:
            return False
        if isinstance(record.args, tuple):
            record.args = tuple(_in_words(one) if isinstance(one, BaseException) else one for one in record.args)
        return not str(getattr(record, "action", "")).startswith("job_")


def _in_words(error: BaseException) -> str:
    why = database_facts(error).get("cause")
    return f"{name_of(error)}: {why}" if why else name_of(error)


def _json(value: Any, **_: Any) -> str:
    return orjson.dumps(value, default=str).decode()


def _for_people(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """What a terminal may show: clients choose paths, and a control character in one would do there what it says."""
    stack = event.pop("stack", None)
    shown = {key: _printable(value) if isinstance(value, str) else value for key, value in event.items()}
    if stack is not None:
        del shown["exception"]  # it ends with that
        shown["stack"] = "\n".join(f"    {_printable(line)}" for line in stack)
    return shown


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


FIRST: list[Processor] = [
    merge_bound,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    ExtraAdder(FACTS),
    add_trace_id,
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
        },
        "terminal": {
            "()": ProcessorFormatter,
            "foreign_pre_chain": FIRST,
            "processors": [
                ProcessorFormatter.remove_processors_meta,
                _for_people,
                structlog.dev.ConsoleRenderer(timestamp_key="time", colors=not os.environ.get("NO_COLOR")),
            ],
        },
    },
    "handlers": {
        "stderr": {
            "()": "backend.logs.throttle.ThrottledHandler",  # as a class it would be given a queue by Python 3.12
            "formatter": "json",
            "terminal": "cfg://formatters.terminal",
            "filters": ["discreet"],
        }
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "katha": {"level": "INFO"},
        # It warns of lost connections, each time in other words: psycopg and its pool raise an error as well, and that is logged.
        "psycopg": {"level": "ERROR"},
        # Refused requests are not logged; internal errors are logged where they are masked.
        "django.request": {"level": "ERROR"},
        "django.security.csrf": {"level": "ERROR"},  # it would quote headers
    },
}
