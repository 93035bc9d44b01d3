"""All refusals: the errors that a client is told about. A refusal has written nothing.

Refusal
├── Conflict          somebody else wrote first
├── NotFound          there is no such thing, or none that this person may see
├── Unauthenticated   nobody is signed in, or the credentials are wrong
├── Forbidden         signed in, and not allowed
├── Invalid           the arguments do not make sense
├── KeyReused         the idempotency key belongs to another request
├── RateLimited       there were too many of these lately
├── Busy              the database could not serve the write now
└── OutcomeUnknown    the connection broke at COMMIT: the write may or may not have happened

A noun may add its own, such as `market.errors.OutOfStock`.
"""

import enum
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


class RetryKind(enum.Enum):
    """How a client should retry."""

    NEVER = "NEVER"
    SAME_REQUEST = "SAME_REQUEST"
    REBASE = "REBASE"


@dataclass(frozen=True)
class FieldConflict:
    """A field that two writers set: its value before (`base`, None if unknown), the caller's and the other's."""

    path: str
    base: Any
    mine: Any
    theirs: Any


@dataclass(frozen=True)
class InvalidField:
    """An invalid argument: its path (`input.chapters.0.title`) and why."""

    path: str
    message: str


class Refusal(Exception):
    """A unit of work that was rolled back. `message` is text for the user."""

    code: str
    retry_kind: RetryKind = RetryKind.NEVER

    def __init__(self, message: str, *, after_ms: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.after_ms = after_ms


class Conflict(Refusal):
    """Somebody else wrote first. `current` is the present row, as far as the caller may see it."""

    code = "CONFLICT"
    retry_kind = RetryKind.REBASE

    def __init__(self, current: Any, *, expected: int, after_ms: int, overlaps: Sequence[FieldConflict] = ()) -> None:
        super().__init__(
            "This has changed since the version that you expected. Nothing was written. Look at `current`, redo your "
            "change on top of it and send it with its version.",
            after_ms=after_ms,
        )
        self.current = current
        self.expected = expected
        self.overlaps = tuple(overlaps)
        self.suggestion: Any = None
        """A proposed merge of both versions for the caller to review; it is never applied by itself."""


class NotFound(Refusal):
    """There is no such thing, or the person may not see it: the two cases look alike on purpose.

    `deleted_at` says when it was deleted; only its author is told.
    """

    code = "NOT_FOUND"

    def __init__(self, message: str, *, deleted_at: datetime | None = None) -> None:
        super().__init__(message)
        self.deleted_at = deleted_at


class Unauthenticated(Refusal):
    """Nobody is signed in, or the credentials are wrong."""

    code = "UNAUTHENTICATED"

    def __init__(self, message: str = "Sign in first: this needs a signed-in person.") -> None:
        super().__init__(message)


class Forbidden(Refusal):
    """Signed in, and not allowed."""

    code = "FORBIDDEN"


class Invalid(Refusal):
    """Invalid arguments; `fields` names each of them."""

    code = "INVALID"

    def __init__(self, *fields: InvalidField) -> None:
        super().__init__(" ".join(f"{field.path}: {field.message}" for field in fields))
        self.fields = fields

    @classmethod
    def one(cls, path: str, message: str) -> "Invalid":
        """The refusal for a single argument."""
        return cls(InvalidField(path, message))


class KeyReused(Refusal):
    """The idempotency key was used before, with other arguments."""

    code = "KEY_REUSED"

    def __init__(self) -> None:
        super().__init__(
            "This key was used before for another request. Make a new key for each thing the person means to do."
        )


class RateLimited(Refusal):
    """Too many requests of this kind; nothing was done. `limit` names the limit for logs and tests, not for clients."""

    code = "RATE_LIMITED"
    retry_kind = RetryKind.SAME_REQUEST

    def __init__(
        self,
        limit: str,
        message: str = "There were too many of these lately. Wait, then send the same again.",
        *,
        after_ms: int,
    ) -> None:
        super().__init__(message, after_ms=after_ms)
        self.limit = limit


def after_busy_ms() -> int:
    """How many milliseconds to wait before a retry, with jitter."""
    return random.randint(50, 250)


class Busy(Refusal):
    """The database could not serve the write now; nothing was written."""

    code = "BUSY"
    retry_kind = RetryKind.SAME_REQUEST

    def __init__(
        self,
        message: str = "The database could not serve this just now. Nothing was written. Send the same request again.",
        *,
        after_ms: int,
    ) -> None:
        super().__init__(message, after_ms=after_ms)


class OutcomeUnknown(Refusal):
    """The connection broke at COMMIT: the write may or may not have happened."""

    code = "OUTCOME_UNKNOWN"
    retry_kind = RetryKind.SAME_REQUEST

    def __init__(
        self,
        message: str = "The connection to the database broke while the write was being committed, so nobody can tell whether "
        "it happened. Send the same request with the same key: it gives the first reply if there was one.",
        *,
        after_ms: int,
    ) -> None:
        super().__init__(message, after_ms=after_ms)
