"""Custom scalars."""

import uuid
from datetime import datetime
from typing import Any, NewType

import strawberry
from graphql import GraphQLError, IntValueNode, StringValueNode, ValueNode

from backend.engine.values import moment

Version = NewType("Version", str)

MAX_INT = 2_147_483_647
"""The greatest Int. Where a number may be greater, this stands for it: an error would take the list around it away too."""


BigInt = NewType("BigInt", int)


def _parse_big_int(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise GraphQLError("A BigInt is a whole number.")


BIG_INT = strawberry.scalar(
    name="BigInt",
    description="A whole number that may be greater than any Int; in JSON a number. JavaScript reads it exactly up to "
    "9007199254740991.",
    serialize=int,
    parse_value=_parse_big_int,
)


def _parse(value: Any) -> str:
    """A string, or a non-negative integer such as 0. `answers.parse_version` checks its meaning."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**18:
        return str(value)
    raise GraphQLError("A Version is a string: the one that was last handed out.")


def _parse_literal(node: ValueNode, _variables: dict[str, Any] | None = None) -> str:
    if isinstance(node, StringValueNode | IntValueNode):
        return node.value
    raise GraphQLError("A Version is a string: the one that was last handed out.", node)


VERSION = strawberry.scalar(
    name="Version",
    description="Opaque. Compare for equality only; send back the one last seen. 0 stands for a thing that does not exist yet.",
    serialize=str,
    parse_value=_parse,
    parse_literal=_parse_literal,
)


def _parse_moment(value: Any) -> datetime:
    try:
        at = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        at = None
    if at is None or at.tzinfo is None:
        raise GraphQLError("A DateTime is a string such as 2026-11-21T14:58:07.214802+00:00, with its offset from UTC.")
    return at


DATE_TIME = strawberry.scalar(
    name="DateTime",
    description="A moment (RFC 3339), always in the same shape: in UTC, with six digits of a second, such as "
    "2026-11-21T14:58:07.214802+00:00.",
    specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
    serialize=moment,
    parse_value=_parse_moment,
)


def _parse_uuid(value: Any) -> uuid.UUID:
    try:
        return uuid.UUID(value)
    except (ValueError, TypeError, AttributeError):
        raise GraphQLError("A UUID is a string such as 0190163d-8694-739b-aea5-966c26f8ad91.") from None


UUID = strawberry.scalar(
    name="UUID",
    description="A universally unique identifier (RFC 9562), as 32 hexadecimal digits with hyphens.",
    serialize=str,
    parse_value=_parse_uuid,
)
