"""Writes a line that repeats only now and then, with how often it happened, so that an outage does not fill a disk.

Lines are the same if they say the same of the same: the event, its code, its cause, the mutation or task, and where a fault
was raised. Who sent the request, and what the client called it, makes no difference. The first is written at once. Those that
follow within `SECONDS` are counted, and the last of them is written in the end, with `times`: how many it stands for. So the
lines add up to what happened.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from contextvars import Context, copy_context
from copy import copy
from dataclasses import dataclass
from typing import Any

from backend.logs.bound import bound
from backend.logs.causes import database_facts
from backend.logs.queued import QueuedHandler

SECONDS = 10.0
"""How long the same line is not written again."""
LOOK_SECONDS = 0.5
MAX_KINDS = 1_000
"""How many kinds of lines are remembered; the one that began first makes room."""
KIND = ("code", "cause", "sqlstate", "limit", "type", "thing", "viewer", "task")
"""The fields that are said of a line by which it differs in kind. Of those that are bound to the request only `mutation` counts:
a line that says itself who looked at what stands for nobody else's.
"""


@dataclass
class _Repeated:
    """Lines of one kind since one was written."""

    until: float
    times: int = 0
    last: logging.LogRecord | None = None
    context: Context | None = None
    """Of the last one: the fields that were bound."""


class ThrottledHandler(QueuedHandler):
    """A handler that holds back repetitions. It is locked while it emits, like all of the standard library."""

    def __init__(self, terminal: logging.Formatter | None = None) -> None:
        super().__init__()
        self._terminal = terminal
        self._repeated: OrderedDict[Hashable, _Repeated] = OrderedDict()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line, or count it if it is a repetition."""
        if not self.has_begun:
            self.forget()
        kind, now = _kind(record), time.monotonic()
        held = self._repeated.get(kind)
        if held is None or (now >= held.until and not held.times):
            self._begin(kind, now)
            super().emit(record)
            return
        held.times += vars(record).get("times", 1)
        held.last, held.context = _without_stack(record), copy_context()
        if now >= held.until:
            self._write(held, now)
        elif self._thread is None or not self._thread.is_alive():
            self._watch()

    def format(self, record: logging.LogRecord) -> str:
        """For people where it goes to a terminal, for programs everywhere else."""
        if self._terminal is not None and not self.stream.closed and self.stream.isatty():
            return self._terminal.format(record)
        return super().format(record)

    def close(self) -> None:
        """Write what is held back: the process ends."""
        self.write_all()
        super().close()

    def write_all(self) -> None:
        """Write what is held back."""
        with self._locked():
            for held in self._repeated.values() if self.has_begun else ():
                self._write(held, time.monotonic())

    def forget(self) -> None:
        """Forget all lines, so that each that follows is a first one."""
        self._repeated.clear()

    def _locked(self) -> Any:
        assert self.lock is not None
        return self.lock

    def _begin(self, kind: Hashable, now: float) -> None:
        self._repeated.pop(kind, None)
        if len(self._repeated) >= MAX_KINDS:
            _, first = self._repeated.popitem(last=False)
            self._write(first, now)
        self._repeated[kind] = _Repeated(now + SECONDS)

    def _write(self, held: _Repeated, now: float) -> None:
        """Write the last repetition for all of them. The time until the next one may be written begins anew."""
        if held.last is not None and held.context is not None:
            if held.times > 1:
                vars(held.last)["times"] = held.times
            held.context.run(super().emit, held.last)
        held.times, held.last, held.context, held.until = 0, None, None, now + SECONDS

    def _watch(self) -> None:
        self._thread = threading.Thread(target=self._write_in_time, name="repeated log lines", daemon=True)
        self._thread.start()

    def _write_in_time(self) -> None:
        """Write what has been held back for long enough; ends when nothing is remembered any more."""
        while True:
            time.sleep(LOOK_SECONDS)
            with self._locked():
                now = time.monotonic()
                for kind, held in list(self._repeated.items()):
                    if now < held.until:
                        continue
                    if held.last is None:
                        del self._repeated[kind]
                    else:
                        self._write(held, now)
                if not self._repeated:
                    self._thread = None
                    return


def _kind(record: logging.LogRecord) -> Hashable:
    """What the line says, without who and when. `msg` is the text before its values are filled in."""
    said = vars(record)
    mutation = said.get("mutation") or bound().get("mutation")
    error = record.exc_info[1] if record.exc_info else None
    return (record.name, record.levelno, record.msg, mutation, *(said.get(name) for name in KIND), *_origin(error))


def _origin(error: BaseException | None) -> tuple[Hashable, ...]:
    """The type of an exception, its SQLSTATE, and where it was raised."""
    if error is None:
        return ()
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = () if place is None else (place.tb_frame.f_code.co_filename, place.tb_lineno)
    return (type(error), database_facts(error).get("sqlstate"), *where)


def _without_stack(record: logging.LogRecord) -> logging.LogRecord:
    """A copy with an exception's name and cause in place of the exception: its frames hold much memory."""
    kept = copy(record)  # other handlers have the same record
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        vars(kept).update({"exception": name_of(error)} | database_facts(error))
        kept.exc_info = kept.exc_text = None
    return kept


def name_of(error: BaseException) -> str:
    """The type of an exception, with its module."""
    return f"{type(error).__module__}.{type(error).__qualname__}"
