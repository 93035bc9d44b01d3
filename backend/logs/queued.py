"""A handler whose lines a thread writes, so that nobody who logs waits for whoever reads the log.

The event loop logs too: if stderr were a pipe that is full because nobody reads it, everybody would wait. A line is made where it
is logged, with what is bound there; only its text waits. A line that finds no room is dropped and counted, and how many were is
told in one line once the log has taken all others.
"""

import logging
import os
import sys
from collections.abc import Callable
from logging.handlers import QueueHandler, QueueListener
from multiprocessing.util import Finalize
from queue import Full, Queue
from typing import TextIO

MAX_LINES = 10_000
"""How many lines wait at most."""
END_SECONDS = 1.0
"""How long the end of a process waits for a log that takes nothing: less than is left of a stop (`schema.server.workers`)."""
DROPPED: list[Callable[[], object]] = []
"""Called for each line that is dropped. Metrics are imported after the log."""


class QueuedHandler(QueueHandler):
    """A handler of the standard library for stderr. `flush` waits until all is written."""

    queue: "Queue[logging.LogRecord]"

    def __init__(self) -> None:
        super().__init__(Queue(MAX_LINES))
        self.stream: TextIO = sys.stderr
        self._pid: int | None = None
        self._dropped = 0

    @property
    def has_begun(self) -> bool:
        """Whether a thread of this process writes; what another process holds, from which it was forked, is written there."""
        return self._pid == os.getpid()

    def enqueue(self, record: logging.LogRecord) -> None:
        """Let the line be written, unless too many wait."""
        if not self.has_begun:
            self._start()
        try:
            self.queue.put_nowait(record)
        except Full:
            self._drop()

    def flush(self) -> None:
        """Wait until all lines are written, but not for long: the process may be ending."""
        if self.has_begun:
            with self.queue.all_tasks_done:
                self.queue.all_tasks_done.wait_for(lambda: not self.queue.unfinished_tasks, END_SECONDS)

    def close(self) -> None:
        """The process ends."""
        self.flush()
        super().close()

    def write(self, line: str) -> None:
        """Write a line: called by the thread. It goes past Python's buffer, whose lock the end of the process would wait for."""
        left = f"{line}\n".encode(errors="backslashreplace")
        try:
            while left:
                left = left[os.write(self.stream.fileno(), left) :]
        except (OSError, ValueError, AttributeError):  # a full disk, a reader that has gone; closed; there is no stderr
            self._drop()
        else:
            self._tell()

    def _start(self) -> None:
        self._pid, self._dropped, self.queue = os.getpid(), 0, Queue(MAX_LINES)
        _Writer(self).start()
        Finalize(None, self.close, exitpriority=0)  # unlike atexit, it is run in a process of multiprocessing too

    def _drop(self) -> None:
        assert self.lock is not None
        with self.lock:
            self._dropped += 1
        for count in DROPPED:
            count()

    def _tell(self) -> None:
        """Tell of the lines that were dropped, once no other waits."""
        if not self._dropped or not self.queue.empty():
            return
        assert self.lock is not None
        with self.lock:
            dropped, self._dropped = self._dropped, 0
        logging.getLogger("katha").warning("lines of the log were dropped", extra={"times": dropped})


class _Writer(QueueListener):
    """The thread that writes the lines of a handler."""

    def __init__(self, handler: QueuedHandler) -> None:
        super().__init__(handler.queue)
        self._handler = handler

    def handle(self, record: logging.LogRecord) -> None:
        """Write the line."""
        self._handler.write(record.getMessage())
