"""Problems: requests that are refused before execution, with an HTTP status, a code and a message.

Problem         the HTTP request is invalid, or the server is overloaded
└── RequestError    the document or its variables cannot be executed: see `errors`
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from math import ceil
from typing import Any

from backend.engine import metrics
from backend.engine.errors import Busy, OutcomeUnknown, RateLimited

log = logging.getLogger("katha")

UNPROCESSABLE = 422
"""The status that the GraphQL-over-HTTP draft recommends since 2025 for requests that cannot be executed; 400 unless
`DRAFT_STATUSES`.
"""


class Problem(Exception):
    """A refused request: an HTTP status, a code for programs, a message for people, and response headers."""

    def __init__(
        self,
        status: int,
        code: str,
        text: str,
        *,
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, Any] | None = None,
        cause: str | None = None,
        is_logged: bool = False,
    ) -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text
        self.headers = dict(headers or {})
        self.cause = cause or text
        """For the log."""
        self.is_logged = is_logged
        """Whether what has led to it has left a line."""
        self._extensions = dict(extensions or {})

    @property
    def answer(self) -> dict[str, Any]:
        """The response body: one error in GraphQL's format."""
        return {"errors": [{"message": self.text, "extensions": {"code": self.code, **self._extensions}}]}


def busy(refusal: Busy | OutcomeUnknown) -> Problem:
    """The problem of a server that cannot serve the request in time, or not to its end."""
    retry = {"kind": refusal.retry_kind.value, "afterMs": refusal.after_ms}
    headers = retry_after(refusal.after_ms)
    return Problem(
        503, refusal.code, refusal.message, headers=headers, extensions={"retry": retry}, cause=refusal.cause
    )


def too_many(refusal: RateLimited) -> Problem:
    """The problem of a sender who exceeded a rate limit."""
    headers, extensions = retry_after(refusal.after_ms), {"afterMs": refusal.after_ms}
    return Problem(429, refusal.code, refusal.message, headers=headers, extensions=extensions, is_logged=True)


def log_problem(problem: Problem, **facts: Any) -> None:
    """Count a request that is turned away, and log it: as a warning where the server has no time or no room for it.
    `facts` are for the line.
    """
    metrics.REJECTED.labels(problem.code).inc()
    if not problem.is_logged:
        level = logging.WARNING if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR else logging.INFO
        log.log(level, "turned away", extra={"code": problem.code, "cause": problem.cause, **facts})


def retry_after(after_ms: int) -> dict[str, str]:
    """The header that says when to come back, in whole seconds."""
    return {"Retry-After": str(ceil(after_ms / 1000))}
