"""Custom scalars."""

import uuid
from typing import Any, NewType

import strawberry
from graphql import GraphQLError, IntValueNode, StringValueNode, ValueNode

Version = NewType("Version", str)


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
