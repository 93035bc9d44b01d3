"""Values as text: those that are bound to a statement, which says what each of them is, and times as clients are told them."""

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from types import NoneType
from typing import Any, Final

import orjson
from django.db import DataError


def moment(at: datetime) -> str:
    """A time as clients are told it: in UTC, always with six digits of a second."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def as_text(value: Any) -> bytes | None:
    """The text of a value; None stands for NULL.

    Raises UnicodeEncodeError for half a surrogate pair, and DataError for a NUL: libpq would cut the text there.
    """
    text: bytes | None = WRITERS[type(value)](value)
    return text


class Writers(dict[type, Callable[[Any], Any]]):
    """What writes the values of each class, and those of a class that is derived from one of them, too."""

    def __missing__(self, of: type) -> Callable[[Any], Any]:
        for base, write in list(self.items()):
            if issubclass(of, base):
                self[of] = write
                return write
        raise TypeError(f"{of.__name__} cannot be bound")


def _str(value: str) -> bytes:
    if "\0" in value:
        raise DataError("a text cannot hold a NUL")
    return str.__str__(value).encode()


def _array(values: Sequence[Any]) -> bytes:
    return b"{%b}" % b",".join([_ITEMS[type(one)](one) for one in values])


def _quoted(item: str | bytes) -> bytes:
    text: bytes = WRITERS[type(item)](item)
    return b'"%b"' % text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


_WRITERS: dict[type, Callable[[Any], Any]] = {
    NoneType: lambda _: None,
    uuid.UUID: lambda value: b"%032x" % value.int,  # without hyphens, which are written four times as fast
    str: _str,
    bool: lambda value: b"true" if value else b"false",
    int: lambda value: b"%d" % value,
    float: lambda value: str(value).encode(),
    bytes: lambda value: b"\\x" + value.hex().encode(),
    date: lambda value: value.isoformat().encode(),  # also with a time
    timedelta: lambda value: b"%d microseconds" % (value // timedelta(microseconds=1)),
    list: _array,
    tuple: _array,
}
"""In this order because a bool is an int too."""

WRITERS: Final = Writers(_WRITERS)

_ITEMS = Writers({**WRITERS, NoneType: lambda _: b"NULL", str: _quoted, bytes: _quoted})
"""Those of the items of an array. No others than these have anything to quote."""

JSON: Final = Writers({NoneType: lambda _: None, object: orjson.dumps})
"""Those of a value that is bound as jsonb."""
