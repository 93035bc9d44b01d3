"""All refusals: the errors that a client is told about. A refusal has written nothing.

Refusal
├── Conflict          somebody else wrote first
├── NotFound          there is no such thing, or none that this person may see
├── Unauthenticated   nobody is signed in
│   └── SignInFailed    the credentials are wrong
├── Forbidden         signed in, and not allowed
│   └── WrongPassword   the present password is wrong
├── Invalid           the arguments do not make sense
│   └── Oneself         somebody else was needed
├── KeyReused         the idempotency key belongs to another request
├── RateLimited       there were too many of these lately
├── Busy              the database could not serve the write now
└── OutcomeUnknown    the connection broke at COMMIT: the write may or may not have happened

A noun may add its own, such as `market.errors.OutOfStock`. Each declares whether it is logged: `event` is what the log calls
it, `log_level` how loudly, where NOTSET is for what happens every day and needs nobody's attention.
"""

import enum
import logging
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backend.engine.outage import OUTAGE


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


class Wrong(enum.Enum):
    """What is wrong with an argument, for programs; whoever needs words has the message."""

    REQUIRED = "REQUIRED"
    BLANK = "BLANK"
    TOO_SHORT = "TOO_SHORT"
    TOO_LONG = "TOO_LONG"
    TOO_SMALL = "TOO_SMALL"
    TOO_GREAT = "TOO_GREAT"
    TOO_FEW = "TOO_FEW"
    TOO_MANY = "TOO_MANY"
    BAD_CHARACTERS = "BAD_CHARACTERS"
    NOT_HANDED_OUT = "NOT_HANDED_OUT"
    WRONG_KIND = "WRONG_KIND"
    TAKEN = "TAKEN"
    RESERVED = "RESERVED"
    TOO_COMMON = "TOO_COMMON"
    TOO_SIMILAR = "TOO_SIMILAR"
    ONLY_DIGITS = "ONLY_DIGITS"
    ONESELF = "ONESELF"
    LAST_CHAPTER = "LAST_CHAPTER"
    NOT_APPLICABLE = "NOT_APPLICABLE"


@dataclass(frozen=True)
class InvalidField:
    """An invalid argument: its path (`input.chapters.0.title`) and why. `limit` is what a length or number has to keep to."""

    path: str
    message: str
    code: Wrong = Wrong.NOT_APPLICABLE
    limit: int | None = None


@dataclass(frozen=True)
class Unseen:
    """What others wrote to a row after what the caller has seen of it."""

    versions: int
    """How many versions."""
    fields: tuple[str, ...]
    """The fields that they changed, as clients know them."""
    latest: int | None
    """The last of these versions; None if no field has changed."""
    at: datetime | None
    """When that one was written; None if the row does not say."""
    by: uuid.UUID | None
    """Who wrote it; None if the row does not say."""


class Refusal(Exception):
    """A unit of work that was rolled back. `message` is text for the user."""

    code: str
    event: str
    """What the log calls it."""
    log_level: int
    """The level of its line in the log; NOTSET for none."""
    retry_kind: RetryKind = RetryKind.NEVER

    def __init__(self, message: str, *, after_ms: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.after_ms = after_ms


class Conflict(Refusal):
    """Somebody else wrote first. `current` is the present row, as far as the caller may see it."""

    code = "CONFLICT"
    event, log_level = "conflict", logging.INFO
    retry_kind = RetryKind.REBASE

    def __init__(
        self, current: Any, *, expected: int, unseen: Unseen, after_ms: int, overlaps: Sequence[FieldConflict] = ()
    ) -> None:
        super().__init__(
            "This has changed since the version that you expected. Nothing was written. Look at `current`, redo your "
            "change on top of it and send it with its version.",
            after_ms=after_ms,
        )
        self.current = current
        self.expected = expected
        self.unseen = unseen
        self.overlaps = tuple(overlaps)
        self.viewer: Any = None
        """Who is told of it, set by the resolver."""
        self.suggestion: Any = None
        """A proposed merge of both versions for the caller to review; it is never applied by itself."""


class NotFound(Refusal):
    """There is no such thing, or the person may not see it: the two cases look alike on purpose.

    `deleted_at` says when it was deleted; only its author is told.
    """

    code = "NOT_FOUND"
    event, log_level = "not found", logging.INFO

    def __init__(self, message: str, *, deleted_at: datetime | None = None) -> None:
        super().__init__(message)
        self.deleted_at = deleted_at


class Unauthenticated(Refusal):
    """Nobody is signed in."""

    code = "UNAUTHENTICATED"
    event, log_level = "not signed in", logging.INFO

    def __init__(self, message: str = "Sign in first: this needs a signed-in person.") -> None:
        super().__init__(message)


class SignInFailed(Unauthenticated):
    """The handle or the password is wrong: nobody is told which."""

    event, log_level = "sign-in failed", logging.INFO

    def __init__(self) -> None:
        super().__init__("There is no account with this handle and password.")


class Forbidden(Refusal):
    """Signed in, and not allowed."""

    code = "FORBIDDEN"
    event, log_level = "forbidden", logging.INFO


class WrongPassword(Forbidden):
    """Signed in, and the present password is wrong, which has to be given again."""

    event, log_level = "wrong password", logging.INFO


class Invalid(Refusal):
    """Invalid arguments; `fields` names each of them."""

    code = "INVALID"
    event, log_level = "invalid", logging.NOTSET

    def __init__(self, *fields: InvalidField) -> None:
        super().__init__(" ".join(f"{field.path}: {field.message}" for field in fields))
        self.fields = fields

    @classmethod
    def one(cls, path: str, message: str, code: Wrong = Wrong.NOT_APPLICABLE, limit: int | None = None) -> "Invalid":
        """The refusal for a single argument."""
        return cls(InvalidField(path, message, code, limit))


class Oneself(Invalid):
    """What needs another person names oneself, which no app offers."""

    event, log_level = "oneself in place of another", logging.INFO


class KeyReused(Refusal):
    """The idempotency key was used before, with other arguments."""

    code = "KEY_REUSED"
    event, log_level = "key reused", logging.WARNING

    def __init__(self) -> None:
        super().__init__(
            "This key was used before for another request. Make a new key for each thing the person means to do."
        )


class RateLimited(Refusal):
    """Too many requests of this kind; nothing was done. `limit` names the limit for logs and tests, not for clients."""

    code = "RATE_LIMITED"
    event, log_level = "rate limited", logging.WARNING
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


SOON_MS, LONGEST_MS = 250, 5_000


def after_busy_ms(lasted: float = 0.0) -> int:
    """How many milliseconds to wait before a retry: at least 50, about as long as the trouble has lasted, at most 5 seconds.

    `lasted` is for how many seconds it has; of an outage of the database this process knows. Half of the wait is jitter, so
    that clients which were refused together do not come back together.
    """
    lasted_ms = round(1_000 * max(lasted, OUTAGE.lasted()))
    if lasted_ms <= SOON_MS:
        return random.randint(50, SOON_MS)
    longest = min(LONGEST_MS, lasted_ms)
    return random.randint(longest // 2, longest)


class Busy(Refusal):
    """The database could not serve the write now; nothing was written. `cause` is for the log, if no error is the cause."""

    code = "BUSY"
    event, log_level = "busy", logging.WARNING
    retry_kind = RetryKind.SAME_REQUEST

    def __init__(
        self,
        message: str = "The database could not serve this just now. Nothing was written. Send the same request again.",
        *,
        after_ms: int,
        cause: str | None = None,
    ) -> None:
        super().__init__(message, after_ms=after_ms)
        self.cause = cause


class OutcomeUnknown(Refusal):
    """The connection broke at COMMIT: the write may or may not have happened. `cause` as for `Busy`."""

    code = "OUTCOME_UNKNOWN"
    event, log_level = "outcome unknown", logging.WARNING
    retry_kind = RetryKind.SAME_REQUEST

    def __init__(
        self,
        message: str = "The connection to the database broke while the write was being committed, so nobody can tell whether "
        "it happened. Send the same request with the same key: it gives the first reply if there was one.",
        *,
        after_ms: int,
        cause: str | None = None,
    ) -> None:
        super().__init__(message, after_ms=after_ms)
        self.cause = cause
