"""Keyset pagination: a cursor holds a row's sort key, so new rows do not shift pages, and every page costs the same."""

import base64
import binascii
import enum
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from backend.engine.errors import Invalid

DEFAULT_SIZE = 20
MAX_PAGE_SIZE = 100

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

CursorKey = tuple[datetime, uuid.UUID] | tuple[int, uuid.UUID]
"""The sort key of a row in its list: a time or a number, then the id."""


class By(enum.Enum):
    """What a list is sorted by. Its byte in a cursor keeps cursors of one kind of list from being used in another."""

    TIME = b"t"
    NUMBER = b"n"


TIME, NUMBER = By


def to_cursor(key: CursorKey) -> str:
    """The cursor for a sort key, in base64: 1 byte for the kind, 8 for the microseconds or the number, 16 for the id."""
    at, id_ = key
    kind, number = (NUMBER, at) if isinstance(at, int) else (TIME, (at - EPOCH) // MICROSECOND)
    return base64.urlsafe_b64encode(kind.value + number.to_bytes(8, "big", signed=True) + id_.bytes).decode()


def from_cursor(cursor: str, path: str, by: By = TIME) -> CursorKey:
    """The sort key in a cursor. Raises `Invalid` for text that `to_cursor` did not make, or made for another kind of list."""
    try:
        key = _key(cursor)
        if to_cursor(key) != cursor:  # base64 has spare bits at its end: only one text per key is valid
            raise ValueError(cursor)
    except (ValueError, binascii.Error, OverflowError):
        raise Invalid.one(path, "is not a cursor that this server handed out.") from None
    if isinstance(key[0], int) != (by is NUMBER):
        raise Invalid.one(path, "is not a cursor of this list.")
    return key


def _key(cursor: str) -> CursorKey:
    raw = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
    kind, number, id_ = By(raw[:1]), int.from_bytes(raw[1:9], "big", signed=True), uuid.UUID(bytes=raw[9:])
    return (number, id_) if kind is NUMBER else (EPOCH + MICROSECOND * number, id_)


@dataclass(frozen=True)
class Window:
    """Which rows of a descending list are asked for: the first or last `size` between the cursors `after` and `before`.

    `oldest_first` is for ascending lists.
    """

    size: int = DEFAULT_SIZE
    backward: bool = False
    after: CursorKey | None = None
    before: CursorKey | None = None
    oldest_first: bool = False

    @classmethod
    def of(
        cls,
        first: int | None,
        after: str | None,
        last: int | None,
        before: str | None,
        by: By = TIME,
        *,
        oldest_first: bool = False,
    ) -> "Window":
        """The window for Relay's four arguments. Raises `Invalid` if they contradict each other."""
        if first is not None and last is not None:
            raise Invalid.one("last", "cannot go together with first.")
        name, size = ("last", last) if last is not None else ("first", first)
        if size is None:
            size = DEFAULT_SIZE
        if not 0 <= size <= MAX_PAGE_SIZE:
            raise Invalid.one(name, f"must be from 0 to {MAX_PAGE_SIZE}.")
        return cls(
            size=size,
            backward=last is not None,
            after=None if after is None else from_cursor(after, "after", by),
            before=None if before is None else from_cursor(before, "before", by),
            oldest_first=oldest_first,
        )

    def condition(self, at: str, id_: str) -> tuple[str, list[Any]]:
        """SQL and its parameters: the rows between the two cursors, compared as row values so that an index can be used."""
        sql, parameters = "", []
        further, nearer = (">", "<") if self.oldest_first else ("<", ">")
        if self.after is not None:
            sql, parameters = f" AND ({at}, {id_}) {further} (%s, %s)", [*self.after]
        if self.before is not None:
            sql, parameters = f"{sql} AND ({at}, {id_}) {nearer} (%s, %s)", [*parameters, *self.before]
        return sql, parameters

    @property
    def direction(self) -> str:
        """SQL: in which direction rows are read."""
        return "ASC" if self.backward is not self.oldest_first else "DESC"

    def order(self, at: str, id_: str) -> str:
        """SQL: direction and limit. One row more than asked for tells whether there are more."""
        return f"ORDER BY {at} {self.direction}, {id_} {self.direction} LIMIT {self.size + 1}"
