"""What stands in the log, as an operator reads it on stderr."""

import json
import logging
from collections import Counter
from tempfile import TemporaryFile
from typing import Any, TextIO

from backend.logs.throttle import ThrottledHandler


class Logged:
    """The lines since it began, which finds nothing that was written before: each line is a first one."""

    def __init__(self) -> None:
        self.handler = next(one for one in logging.getLogger().handlers if isinstance(one, ThrottledHandler))
        self.handler.forget()
        self._file = TemporaryFile("a+")  # noqa: SIM115
        self._before = self._write_to(self._file)

    def lines(self) -> list[dict[str, Any]]:
        """Those that are written."""
        self.handler.queue.join()
        self._file.seek(0)
        return [json.loads(line) for line in self._file]

    def all_lines(self) -> list[dict[str, Any]]:
        """The same, with what is held back."""
        self.handler.write_all()
        return self.lines()

    def counts(self, *fields: str) -> Counter[Any]:
        """How many events all lines stand for, by these fields."""
        found: Counter[Any] = Counter()
        for line in self.all_lines():
            found[tuple(line.get(field) for field in fields)] += line.get("times", 1)
        return found

    def end(self) -> None:
        """Let the log go where it went before."""
        self.handler.forget()
        self._write_to(self._before)
        self._file.close()

    def _write_to(self, stream: TextIO) -> TextIO:
        """Let the lines go there, but for those that wait already. Returns where they went before."""
        self.handler.queue.join()
        before, self.handler.stream = self.handler.stream, stream
        return before
