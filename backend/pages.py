"""Keyset pagination: a cursor holds a row's sort key, so new rows do not shift pages, and every page costs the same.

It also says of which list it is. The same moment stands for other rows in another list, so that a cursor which has strayed there
would skip some in silence.
"""

import base64
import binascii
import enum
import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from backend.engine.errors import Invalid, InvalidField, Wrong

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


ANOTHER_LIST = "is not a cursor of this list."


def tag_of(field: str, at: str) -> bytes:
    """What stands for a list in its cursors: 2 bytes. A list is a field of a type (`Person.stories`) and what sorts it."""
    return hashlib.sha256(f"{field} by {at}".encode()).digest()[:2]


def to_cursor(tag: bytes, key: CursorKey) -> str:
    """The cursor for a sort key, in base64: 1 byte for the kind, 2 for the list, 8 for the time or number, 16 for the id."""
    at, id_ = key
    kind, number = (NUMBER, at) if isinstance(at, int) else (TIME, (at - EPOCH) // MICROSECOND)
    return base64.urlsafe_b64encode(kind.value + tag + number.to_bytes(8, "big", signed=True) + id_.bytes).decode()


def from_cursor(cursor: str, path: str, by: By = TIME) -> tuple[bytes, CursorKey]:
    """The list and the sort key in a cursor. Raises `Invalid` for what `to_cursor` did not make, or for another kind of list."""
    try:
        raw = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
        kind, number, id_ = By(raw[:1]), int.from_bytes(raw[3:11], "big", signed=True), uuid.UUID(bytes=raw[11:])
        key: CursorKey = (number, id_) if kind is NUMBER else (EPOCH + MICROSECOND * number, id_)
        if to_cursor(raw[1:3], key) != cursor:  # base64 may be padded without need: only one text per key is valid
            raise ValueError(cursor)
    except (ValueError, binascii.Error, OverflowError):
        raise Invalid.one(path, "is not a cursor that this server handed out.", Wrong.NOT_HANDED_OUT) from None
    if kind is not by:
        raise Invalid.one(path, ANOTHER_LIST, Wrong.WRONG_KIND)
    return raw[1:3], key


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
    tags: Mapping[str, bytes] = field(default_factory=dict)
    """Of which lists the two cursors are."""

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
        ends = {"after": after, "before": before}
        found = {name: from_cursor(cursor, name, by) for name, cursor in ends.items() if cursor is not None}
        places = {name: key for name, (_, key) in found.items()}
        tags = {name: tag for name, (tag, _) in found.items()}
        return cls(size=size, backward=last is not None, oldest_first=oldest_first, tags=tags, **places)

    def require_list(self, tag: bytes) -> None:
        """Raise `Invalid` if a cursor is of another list."""
        strayed = [InvalidField(name, ANOTHER_LIST, Wrong.WRONG_KIND) for name, of in self.tags.items() if of != tag]
        if strayed:
            raise Invalid(*strayed)

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
