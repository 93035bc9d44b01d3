"""Server-sent events, line by line (WHATWG HTML, section 9.2.6), as graphql-sse uses them: one stream, one operation."""

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Events:
    """Takes the lines of a stream."""

    _name: str = ""
    _data: list[str] = field(default_factory=list)

    def feed(self, line: str) -> tuple[str, Any] | None:
        """The event that this line completes: its name, and its data as JSON (None if it has none). Comments are none."""
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                self._name = value
            elif name == "data":
                self._data.append(value)
            return None
        event, self._name = self._name, ""
        data, self._data = "\n".join(self._data), []
        return (event or "message", json.loads(data) if data else None) if event or data else None
