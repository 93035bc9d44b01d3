"""Values as text: those that are bound to a statement, which says what each of them is, and times as clients are told them."""

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import DataError


def moment(at: datetime) -> str:
    """A time as clients are told it: in UTC, always with six digits of a second."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def as_text(value: Any) -> bytes | None:
    """The text of a value; None stands for NULL.

    Raises UnicodeEncodeError for half a surrogate pair, and DataError for a NUL: libpq would cut the text there.
    """
    match value:
        case None:
            return None
        case bytes():
            return b"\\x" + value.hex().encode()
        case bool():
            return b"true" if value else b"false"
        case str():
            if "\0" in value:
                raise DataError("a text cannot hold a NUL")
            return str.__str__(value).encode()
        case uuid.UUID() | int() | float():
            return str(value).encode()
        case date():  # also with a time
            return value.isoformat().encode()
        case timedelta():
            return b"%d microseconds" % (value // timedelta(microseconds=1))
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
