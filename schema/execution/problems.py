"""Requests that are turned away before they are executed: each a problem with a status, a code and a text.

Problem         whatever the HTTP request lacks, or the server
└── RequestError    the document or its variables cannot be executed: see `errors`
"""

from collections.abc import Mapping
from math import ceil
from typing import Any

from backend.engine.errors import RateLimited, after_busy_ms

UNPROCESSABLE = 422
"""What the GraphQL-over-HTTP draft recommends since 2025 where a request cannot be executed; 400 unless drafts are asked for."""


class Problem(Exception):
    """A request that is turned away: an HTTP status, a code for programs, a text for people, and headers that go with it."""

    def __init__(
        self,
        status: int,
        code: str,
        text: str,
        *,
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text
        self.headers = dict(headers or {})
        self._extensions = dict(extensions or {})

    @property
    def answer(self) -> dict[str, Any]:
        """The body: one error, in the form of GraphQL's."""
        return {"errors": [{"message": self.text, "extensions": {"code": self.code, **self._extensions}}]}


def busy(text: str) -> Problem:
    """The server had no room or no time for the request."""
    after_ms = after_busy_ms()
    retry = {"kind": "SAME_REQUEST", "afterMs": after_ms}
    return Problem(503, "BUSY", text, headers=_retry_after(after_ms), extensions={"retry": retry})


def too_many(refusal: RateLimited) -> Problem:
    """Whoever sends the request has asked for too much lately."""
    headers = _retry_after(refusal.after_ms)
    return Problem(429, refusal.code, refusal.message, headers=headers, extensions={"afterMs": refusal.after_ms})


def _retry_after(after_ms: int) -> dict[str, str]:
    return {"Retry-After": str(ceil(after_ms / 1000))}
