"""What stands in the log, as an operator reads it on stderr."""

import io
import json
import logging
from collections import Counter
from typing import Any

from backend.logs.throttle import ThrottledHandler


class Logged:
    """The lines since it began, which finds nothing that was written before: each line is a first one."""

    def __init__(self) -> None:
        self.handler = next(one for one in logging.getLogger().handlers if isinstance(one, ThrottledHandler))
        self._stream = io.StringIO()
        self.handler.forget()
        self._before = self.handler.setStream(self._stream)

    def lines(self) -> list[dict[str, Any]]:
        """Those that are written."""
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]

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
        assert self._before is not None
        self.handler.setStream(self._before)
