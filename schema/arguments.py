"""Arguments that mutations share: what a write is conditioned on, what to do on a conflict, and the idempotency key."""

import enum
import uuid
from typing import Annotated, Any

import strawberry

from backend.engine import errors
from backend.engine.versions import Expected
from schema.scalars import Version


@strawberry.input(one_of=True, description="What must still be true for the write to happen. Exactly one member.")
class Expect:
    """The condition of a write."""

    version: Version | None = strawberry.field(
        default=strawberry.UNSET, description="Write only if the thing is still at this version."
    )
    current: bool | None = strawberry.field(
        default=strawberry.UNSET,
        description="Write whatever the version is now. Only where the mutation's description allows it; counted in "
        "the metrics.",
    )
    after: uuid.UUID | None = strawberry.field(
        default=strawberry.UNSET,
        description="Write only if the thing is still as your mutation with this key left it: as you had seen it before that, "
        "and as you wrote it then; what others wrote before it, unseen by you, stays a conflict. So autosaves can be sent one "
        "after the other without waiting for the version that each makes. If that mutation has not been served yet, the "
        "answer is BUSY: send this again.",
    )


@strawberry.enum(description="What to do when somebody else has changed the same thing since the expected version.")
class OnConflict(enum.Enum):
    """FAIL or MERGE."""

    FAIL = strawberry.enum_value(
        "FAIL",
        description="Refuse if any field that this mutation could set has changed since the expected version.",
    )
    MERGE = strawberry.enum_value(
        "MERGE",
        description="Refuse only if a field that this patch does set has changed since, and is sent with another value than was "
        "seen; nobody's value is ever dropped.",
    )


ANYTHING = Expect(current=True)
"""What is expected where nothing need be. A default, so that the argument may be left out and keeps its type."""

KEY_DESCRIPTION = (
    "An idempotency key: one UUID for each thing the person meant to do, kept across retries. Sending a request again with "
    "its key gives the first reply again (applied: REPLAYED), or a NotFoundError if what it showed is gone."
)
Key = Annotated[uuid.UUID | None, strawberry.argument(description=KEY_DESCRIPTION)]
OnConflictArgument = Annotated[
    OnConflict,
    strawberry.argument(description="What to do if somebody has changed the same thing since the expected version."),
]
ExpectArgument = Annotated[
    Expect, strawberry.argument(description="The version that you last saw of what this writes to.")
]


def parse_expect(expect: Expect, *, current_allowed: bool = False) -> Expected:
    """Parse `expect`. Raises `Invalid` for an impossible version, or for `current` where it is not allowed."""
    if isinstance(expect.after, uuid.UUID):
        return Expected(None, expect.after)
    if isinstance(expect.version, str):
        return Expected(parse_version(expect.version, "expect.version"))
    if expect.current is not True:
        raise errors.Invalid.one("expect.current", "must be true where it is given.")
    if not current_allowed:
        raise errors.Invalid.one(
            "expect.current", "is not allowed here: name the version that you last saw.", errors.Wrong.REQUIRED
        )
    return Expected(None)


def parse_version(version: str, path: str) -> int:
    """Parse a version. Raises `Invalid` for an impossible one."""
    if not (version.isascii() and version.isdigit() and len(version) <= 18):
        raise errors.Invalid.one(path, "is not a version that this server handed out.", errors.Wrong.NOT_HANDED_OUT)
    return int(version)


def given(patch: Any) -> dict[str, Any]:
    """The fields that are set in a patch, with enums as their values. null counts as set; an omitted field does not."""
    fields = {name: value for name, value in vars(patch).items() if value is not strawberry.UNSET}
    return {name: [one.value for one in value] if isinstance(value, list) else value for name, value in fields.items()}
