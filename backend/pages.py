"""Keyset pages: a cursor is a place in the order, so pages stay put while rows come, and none costs more than the first."""

import base64
import binascii
import enum
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from backend.engine.errors import Invalid

DEFAULT_SIZE = 20
MAX_PAGE_SIZE = 100

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

RowT = TypeVar("RowT")
CursorKey = tuple[datetime, uuid.UUID] | tuple[int, uuid.UUID]
"""Where a row stands in its list: by time or by a number, then by id."""


class By(enum.Enum):
    """What a list is in the order of; its byte in a cursor keeps one kind of list from reading the other's places."""

    TIME = b"t"
    NUMBER = b"n"


TIME, NUMBER = By


def to_cursor(key: CursorKey) -> str:
    """The opaque text that names a place: a byte for the kind, 8 of microseconds or number, the id's 16; in base64."""
    at, id_ = key
    kind, number = (NUMBER, at) if isinstance(at, int) else (TIME, (at - EPOCH) // MICROSECOND)
    return base64.urlsafe_b64encode(kind.value + number.to_bytes(8, "big", signed=True) + id_.bytes).decode()


def from_cursor(cursor: str, path: str, by: By = TIME) -> CursorKey:
    """The place that a cursor names. Raises `Invalid` for text that `to_cursor` did not make, or not for such a list."""
    try:
        key = _key(cursor)
        if to_cursor(key) != cursor:  # base64 has spare bits at its end: one place, one text
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
    """Which part of a list, newest or most first, is asked for: the first or last `size` rows after and before a place.

    `oldest_first` is for the lists that are the other way round.
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
        """The window that Relay's four arguments name. Raises `Invalid` where they make no sense."""
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
        """SQL and its parameters: the rows between the two places, by row values, which an index can answer."""
        sql, parameters = "", []
        further, nearer = (">", "<") if self.oldest_first else ("<", ">")
        if self.after is not None:
            sql, parameters = f" AND ({at}, {id_}) {further} (%s, %s)", [*self.after]
        if self.before is not None:
            sql, parameters = f"{sql} AND ({at}, {id_}) {nearer} (%s, %s)", [*parameters, *self.before]
        return sql, parameters

    def order(self, at: str, id_: str) -> str:
        """SQL: from which end, and how many; one more than asked for tells whether there are more."""
        direction = "ASC" if self.backward is not self.oldest_first else "DESC"
        return f"ORDER BY {at} {direction}, {id_} {direction} LIMIT {self.size + 1}"


@dataclass(frozen=True)
class Page(Generic[RowT]):
    """Part of a list, newest or most first. Each row carries its place as `place_at` and its id."""

    rows: Sequence[RowT]
    has_next: bool = False
    has_previous: bool = False

    @classmethod
    def of(cls, rows: Iterable[RowT], window: Window) -> "Page[RowT]":
        """A page from the rows that `Window.order` brought, which may be one too many."""
        found = list(rows)
        more, found = len(found) > window.size, found[: window.size]
        if window.backward:
            return cls(found[::-1], has_next=window.before is not None, has_previous=more)
        return cls(found, has_next=more, has_previous=window.after is not None)


def pages_by_owner(rows: Iterable[Any], owners: Iterable[uuid.UUID], window: Window) -> dict[uuid.UUID, Page[Any]]:
    """A page for each of `owners`, from rows that carry `owner_id` and come in the window's order."""
    by_owner: dict[uuid.UUID, list[Any]] = {owner: [] for owner in owners}
    for row in rows:
        by_owner[row.owner_id].append(row)
    return {owner: Page.of(found, window) for owner, found in by_owner.items()}
