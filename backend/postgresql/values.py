"""Values that are bound to a statement, as text: PostgreSQL knows from the statement what each of them is."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any


def as_text(value: Any) -> bytes | None:
    """The text of a value; None stands for NULL. Raises UnicodeEncodeError for half a surrogate pair."""
    match value:
        case None:
            return None
        case bytes():
            return b"\\x" + value.hex().encode()
        case bool():
            return b"true" if value else b"false"
        case str() | uuid.UUID() | int() | float():
            return str.__str__(value).encode() if isinstance(value, str) else str(value).encode()
        case datetime():
            return value.isoformat().encode()
        case list() | tuple():
            return _array(value)
    raise TypeError(f"{type(value).__name__} cannot be bound")


def _array(values: Sequence[Any]) -> bytes:
    return f"{{{','.join(map(_item, values))}}}".encode()


def _item(value: Any) -> str:
    if isinstance(value, uuid.UUID):
        return str(value)
    text = as_text(value)
    if text is None:
        return "NULL"
    quoted = text.decode().replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'
