"""Keeps the embedded PostgreSQL running under a command that stays: a server that has died is started again."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.embedded.data_folder import WAY_OUT, DataFolder, DidNotStart, EmbeddedError, socket_folder
from backend.embedded.exit_reason import exit_reason
from backend.embedded.users import join_server, lives, running, silent

log = logging.getLogger("katha.embedded")

POLL_SECONDS = 0.5
"""How often it is looked whether the server lives. It costs one look at a lock."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 8.0
"""The wait before another start; it doubles as long as no server lives longer than the longest pause."""
MAX_FAILURES = 5
"""After so many starts in a row that failed it is given up."""


@contextmanager
def kept_running(data: Path, *, durable: bool, report: Callable[[str], None] | None = None) -> Iterator[Path]:
    """As `running`, and a server that dies while the block runs is started again.

    When it cannot be started again, this process gets SIGTERM, by which the command ends as it does when it is told to, and
    the end of the block raises `EmbeddedError`.
    """
    with running(data, durable=durable, report=report) as folder:
        watchdog = Watchdog(DataFolder(data.resolve()), durable=durable)
        watchdog.start()
        try:
            yield folder
        finally:
            watchdog.stop()
            if watchdog.failure is not None:
                raise watchdog.failure


class Watchdog(threading.Thread):
    """Looks whether the server lives, and starts it again. Of several processes that do so, the server's lock lets one."""

    def __init__(self, place: DataFolder, *, durable: bool) -> None:
        super().__init__(name="watchdog of PostgreSQL", daemon=True)
        self._place, self._durable = place, durable
        self._over = threading.Event()
        self.failure: EmbeddedError | None = None
        """Why it was given up."""

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        self.join()

    def run(self) -> None:
        """Keep the server running until it is over, or until it is given up."""
        try:
            self._keep()
        except (EmbeddedError, OSError) as error:
            self.failure = EmbeddedError(
                f"PostgreSQL does not start again: {error} The log is {self._place.log}. {WAY_OUT}"
            )
            log.critical("PostgreSQL does not start again, so this process ends: %s", str(error))
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    def _keep(self) -> None:
        pause, since = 0.0, time.monotonic()
        while not self._over.wait(POLL_SECONDS):
            if lives(self._place):
                continue
            log.error("PostgreSQL has died and is started again: %s", exit_reason(self._place))
            lasted = time.monotonic() - since > LONGEST_PAUSE_SECONDS
            pause = 0.0 if lasted else min(LONGEST_PAUSE_SECONDS, max(FIRST_PAUSE_SECONDS, pause * 2))
            self._over.wait(pause)
            self._start_again()
            since = time.monotonic()

    def _start_again(self) -> None:
        """Start it, if need be in several attempts. Raises `EmbeddedError` if all fail, or if there is nothing to start."""
        pause = FIRST_PAUSE_SECONDS
        for attempt in range(1, MAX_FAILURES + 1):
            if not self._place.exists:  # a start would make a new database, which is empty
                raise EmbeddedError(f"its data folder {self._place.data} has gone.")
            try:
                join_server(
                    self._place, socket_folder(self._place.data), durable=self._durable, report=silent, over=self._over
                )
            except (EmbeddedError, OSError) as error:
                why = exit_reason(self._place) if isinstance(error, DidNotStart) else str(error)
                log.error("PostgreSQL did not start, attempt %s of %s: %s", attempt, MAX_FAILURES, why)
                if attempt == MAX_FAILURES:
                    raise EmbeddedError(why) from error
                if self._over.wait(pause):
                    return
                pause = min(LONGEST_PAUSE_SECONDS, pause * 2)
            else:
                if not self._over.is_set():
                    log.warning("PostgreSQL is running again")
                return
