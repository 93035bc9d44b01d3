"""Answers that mutations share: `applied`, and a type for every refusal."""

import enum
from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import strawberry
from strawberry.scalars import JSON

from backend.engine import committed, errors
from backend.engine.idempotency import Outcome
from backend.engine.refusal_log import log_refusal
from backend.engine.transactions import refusal_for
from backend.moderation.models import Decision
from backend.people.models import Person
from backend.stories.models import MAX_CHAPTERS
from resolvers import conflicts
from schema.invalid import InvalidField, shown
from schema.nodes import Versioned, at_most, computed, type_name_of
from schema.overlaps import MAX_PARTS, BodyPart, FieldConflict, body_parts, overlap_shown
from schema.scalars import MAX_INT, Version

MAX_OVERLAPS = MAX_CHAPTERS + 10
"""At most so many fields can overlap: those of a story, and each of its chapters."""
MAX_INVALID_FIELDS = 100

# --- Success ----------------------------------------------------------------------------------------------------


@strawberry.enum(description="What a successful mutation did.")
class Applied(enum.Enum):
    """How a write succeeded."""

    WRITTEN = strawberry.enum_value("WRITTEN", description="The write happened as sent.")
    MERGED = strawberry.enum_value(
        "MERGED",
        description="What you sent stands together with what others changed since the expected version, in other fields or "
        "in other paragraphs of the same text. The version in the answer stands for both, so go on from the values in the "
        "answer, not from those that you sent. If all that you sent was there already, nothing was written.",
    )
    NOOP = strawberry.enum_value(
        "NOOP",
        description="It was so already: nothing was written and the version is unchanged. Of an edit, every value is stored as "
        "you sent it, and others have changed nothing else that it could set since the expected version.",
    )
    REPLAYED = strawberry.enum_value(
        "REPLAYED",
        description="The request had been served before: this is its first reply again, each thing as it was then, with its "
        "version and all that this version covers, as a story's covers its chapters. Other things that it leads to, and totals, "
        "are of now, all of one moment. If a thing of the reply is gone, the answer is a NotFoundError instead.",
    )


def applied_of(outcome: Outcome) -> Applied:
    """The value of `applied` for an outcome."""
    return Applied[outcome.applied.name]


def applied_field() -> Any:
    """The field `applied` of every success."""
    return strawberry.field(
        description="What was done: written, merged with others' changes, nothing to do, or replayed."
    )


# --- Refusals ---------------------------------------------------------------------------------------------------


@strawberry.enum(description="Why a mutation was refused.")
class FailureCode(enum.Enum):
    """The codes of refusals."""

    CONFLICT = strawberry.enum_value("CONFLICT", description="Somebody else wrote first.")
    NOT_FOUND = strawberry.enum_value("NOT_FOUND", description="There is no such thing, or none that you may see.")
    UNAUTHENTICATED = strawberry.enum_value(
        "UNAUTHENTICATED", description="Nobody is signed in, or the credentials are wrong."
    )
    FORBIDDEN = strawberry.enum_value("FORBIDDEN", description="You are signed in, and may not do this.")
    HELD = strawberry.enum_value("HELD", description="It would undo what the moderators have decided.")
    SUSPENDED = strawberry.enum_value("SUSPENDED", description="The moderators have suspended you.")
    INVALID = strawberry.enum_value("INVALID", description="The arguments do not make sense.")
    OUT_OF_STOCK = strawberry.enum_value("OUT_OF_STOCK", description="Less is left than was asked for.")
    KEY_REUSED = strawberry.enum_value("KEY_REUSED", description="The idempotency key belongs to another request.")
    RATE_LIMITED = strawberry.enum_value("RATE_LIMITED", description="There were too many of these lately.")
    CURSOR_EXPIRED = strawberry.enum_value(
        "CURSOR_EXPIRED", description="What changed since this cursor is not all known any more."
    )
    BUSY = strawberry.enum_value("BUSY", description="The database could not serve the write now.")
    OUTCOME_UNKNOWN = strawberry.enum_value("OUTCOME_UNKNOWN", description="The connection broke at COMMIT.")


@strawberry.enum(description="What sense it makes to try again.")
class RetryKind(enum.Enum):
    """How to retry."""

    NEVER = strawberry.enum_value("NEVER", description="Sending it again cannot help.")
    SAME_REQUEST = strawberry.enum_value(
        "SAME_REQUEST", description="Send exactly the same request again after afterMs."
    )
    REBASE = strawberry.enum_value(
        "REBASE", description="Look at `current`, redo the change on top of it, send it with its version."
    )


@strawberry.type(description="How to try again well.")
class Retry:
    """How and when to retry."""

    kind: RetryKind = strawberry.field(description="What to send.")
    after_ms: int = strawberry.field(
        description="How many milliseconds to wait first; grows with recent contention on the same thing, and of BUSY with how "
        "long the database has been away."
    )


@strawberry.interface(
    description="Every refusal: nothing was written (OUTCOME_UNKNOWN alone says that nobody can tell)."
)
class Failure:
    """The interface of all refusals."""

    code: FailureCode = strawberry.field(description="Why.")
    message: str = strawberry.field(description="The reason in words, for developers.")
    retry: Retry = strawberry.field(description="How to try again.")


Writer = Annotated["Person", strawberry.lazy("schema.people")]
Against = Annotated["Decision", strawberry.lazy("schema.decisions")]


@strawberry.type(
    description="Somebody else wrote first, and this write would have been built on what is no longer so. Nothing was "
    "written. Look at `current`, redo the change on top of it, and send it with its version."
)
class ConflictError(Failure):
    """Somebody else wrote first."""

    current: Versioned = strawberry.field(description="The thing as it is now, as this viewer may see it.")
    expected: Version = strawberry.field(
        description="The version that this write expected: what others wrote after it is unseen. For `expect: {after: …}` the "
        "version from which on you went on without looking."
    )
    overlaps: list[FieldConflict] = strawberry.field(
        description="Fields that this write touches and somebody else changed since `expected`. Empty where others changed "
        "only fields that this write leaves alone, which `changedFields` names: with MERGE it would go through.",
        metadata=at_most(MAX_OVERLAPS),
    )
    versions_behind: int = strawberry.field(
        description="How many versions `current` has that you have not seen: those after `expected`, but for those that your own "
        "writes made where you named the last of them by `expect: {after: …}`. 0 only if the version that you sent is above "
        "that of `current`, so that it is none of this thing's: then nothing is known of what has changed, and "
        "`changedFields` is empty too. An upper bound for a chapter that was deleted and brought back. "
        f"{MAX_INT} stands for so many or more."
    )
    changed_fields: list[str] = strawberry.field(
        description="The fields of `current` that were written in those versions, also those that this write leaves alone. "
        "`chapters` of a story stands for the list and for what is written in any of them.",
        metadata=at_most(MAX_OVERLAPS),
    )
    by: Writer | None = computed(
        lambda answer: conflicts.by(answer.refusal),
        "Who made the latest of those changes: you on another device, or somebody whom you can find. Null where that is not "
        "recorded, as of a follow, a stock, a mark of the moderators, a reader's place or a co-author who left the story.",
    )
    at: datetime | None = computed(
        lambda answer: conflicts.at(answer.refusal),
        "When the latest of those changes was made; null where that is not known.",
    )
    refusal: strawberry.Private[errors.Conflict]
    suggestion: JSON | None = strawberry.field(
        default=None,
        description="Where both changed a chapter's text: `body` is a list of parts in order, each either CLEAN with its "
        "`text`, or a COLLISION with `base`, `mine` and `theirs`. Null otherwise. Nothing of it has been applied.",
    )
    suggested_body: list[BodyPart] | None = strawberry.field(
        default=None,
        description="The `body` of `suggestion` with types. Null where that is null, and where there are more than "
        f"{MAX_PARTS} parts.",
        metadata=at_most(MAX_PARTS),
    )


@strawberry.type(
    description="There is no such thing, or none that you may see: the two look alike on purpose. Also to a request that had "
    "been served before, if what it wrote is gone."
)
class NotFoundError(Failure):
    """Missing or hidden."""

    deleted_at: datetime | None = strawberry.field(
        default=None,
        description="When it was deleted, if it was yours, or a chapter of a story that you write; null for anybody else and for "
        "what has never been there.",
    )


@strawberry.type(
    description="UNAUTHENTICATED or FORBIDDEN. HELD: it would undo a decision of the moderators that is in force. SUSPENDED: "
    "nothing of yours is written until `until`, but for what is about your own account. Of the last two `decision` says why; "
    "appealDecision is how to disagree."
)
class ForbiddenError(Failure):
    """Not signed in, or not allowed."""

    decision: Against | None = strawberry.field(
        default=None, description="The moderators' decision that stands against it; null of other codes."
    )
    until: datetime | None = strawberry.field(
        default=None, description="When your suspension ends; null of other codes than SUSPENDED."
    )


@strawberry.type(
    description="The arguments do not make sense. Ids, versions and characters that cannot be stored are looked at "
    "first; then all that is wrong with the rest is listed together."
)
class InvalidError(Failure):
    """Invalid arguments."""

    fields: list[InvalidField] = strawberry.field(
        description=f"Each argument that is wrong; the first {MAX_INVALID_FIELDS} if there are more.",
        metadata=at_most(MAX_INVALID_FIELDS),
    )


@strawberry.type(description="The idempotency key was used before with other arguments.")
class KeyReusedError(Failure):
    """A key that belongs to another request."""


@strawberry.type(
    description="There were too many of these lately: by you, for this handle, or from where the request came. Nothing was done, "
    "and no password was looked at. The same request can be served after `retry.afterMs`."
)
class RateLimitedError(Failure):
    """Too many attempts."""


@strawberry.type(
    description="BUSY: the database could not serve the write now (deadlock, serialization failure, timeout) and the "
    "server's own retries are spent. OUTCOME_UNKNOWN: the connection broke at COMMIT; the same request again is safe, "
    "with its key it gives the first reply."
)
class BusyError(Failure):
    """The database could not serve the write."""


def common(refusal: errors.Refusal) -> dict[str, Any]:
    """The fields of the interface `Failure` for a refusal."""
    retry = Retry(kind=RetryKind[refusal.retry_kind.name], after_ms=refusal.after_ms)
    return {"code": FailureCode[refusal.code], "message": refusal.message, "retry": retry}


def _conflict(refusal: errors.Conflict) -> ConflictError:
    return ConflictError(
        **common(refusal),
        current=refusal.current,
        expected=Version(str(refusal.expected)),
        overlaps=[overlap_shown(one) for one in refusal.overlaps],
        versions_behind=min(refusal.unseen.versions, MAX_INT),
        changed_fields=list(refusal.unseen.fields),
        suggestion=refusal.suggestion,
        suggested_body=body_parts(refusal.suggestion),
        refusal=refusal,
    )


def _invalid(refusal: errors.Invalid) -> InvalidError:
    fields = [shown(one) for one in refusal.fields[:MAX_INVALID_FIELDS]]
    return InvalidError(**common(refusal), fields=fields)


def _not_found(refusal: errors.NotFound) -> NotFoundError:
    return NotFoundError(**common(refusal), deleted_at=refusal.deleted_at)


def _forbidden(refusal: errors.Refusal) -> ForbiddenError:
    decision, until = (getattr(refusal, name, None) for name in ("decision", "until"))
    return ForbiddenError(**common(refusal), decision=decision, until=until)


def _plain(answer: type) -> Callable[[errors.Refusal], Any]:
    return lambda refusal: answer(**common(refusal))


def _unserved(error: Exception) -> errors.Refusal | None:
    """The refusal for a database error outside the unit of work; None for a bug of ours.

    After a commit (for example while the session is saved) it must not say that nothing was written.
    """
    refusal = refusal_for(error)
    if refusal is not None and committed.has_committed():
        refusal = errors.OutcomeUnknown(after_ms=refusal.after_ms)
        refusal.__cause__ = error
    return refusal


@dataclass(frozen=True)
class Refused:
    """How one kind of refusal is answered: by this type, if the mutation's union has it."""

    kinds: tuple[type[Exception], ...]
    type: type
    make: Callable[[Any], Any]


REFUSED: dict[str, Refused] = {
    one.type.__name__: one
    for one in (
        Refused((errors.Conflict,), ConflictError, _conflict),
        Refused((errors.Invalid,), InvalidError, _invalid),
        Refused((errors.NotFound,), NotFoundError, _not_found),
        Refused((errors.Unauthenticated, errors.Forbidden), ForbiddenError, _forbidden),
        Refused((errors.KeyReused,), KeyReusedError, _plain(KeyReusedError)),
        Refused((errors.RateLimited,), RateLimitedError, _plain(RateLimitedError)),
        Refused((errors.Busy, errors.OutcomeUnknown), BusyError, _plain(BusyError)),
    )
}
"""Answers to all refusals of the engine, by the names of their types. A noun with a refusal of its own adds one."""


def answer_to(error: Exception, types: Container[str]) -> Any:
    """The answer to a refusal, of one of these types, with its line in the log; None if none of them is for it."""
    refusal = error if isinstance(error, errors.Refusal) else _unserved(error)
    found = next((one for name, one in REFUSED.items() if name in types and isinstance(refusal, one.kinds)), None)
    if refusal is None or found is None:
        return None
    answer = found.make(refusal)
    log_refusal(refusal, **_facts(answer))
    return answer


def _facts(answer: Any) -> dict[str, Any]:
    """Of a conflict the type of what was fought over, and the fields that both wrote."""
    if not isinstance(answer, ConflictError):
        return {}
    return {"type": type_name_of(answer.current), "fields": [overlap.path for overlap in answer.overlaps]}
