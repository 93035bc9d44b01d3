"""Reads the end of the change log in the event loop, as `Hub` wants it."""

from collections.abc import Sequence

from backend.changes import log
from backend.changes.log import Cursor, CursorExpired, Entry
from backend.engine.deadline import Deadline
from backend.engine.values import as_text
from backend.postgresql.reads import Reads, Row, Statement

POLL_SECONDS = 10.0
"""How long a poll may take."""
BEGIN = Statement.of(log.BEGIN)
SINCE = Statement.of(log.SINCE % {"identity": "$1", "snapshot": "$2"})


class Tail:
    """The entries of the log from one moment on."""

    def __init__(self, reads: Reads) -> None:
        self._reads, self._cursor = reads, Cursor("", "")

    async def begin(self) -> None:
        """Read what is committed from now on."""
        identity, snapshot = await self._row(BEGIN, [])
        self._cursor = Cursor(_text(identity), _text(snapshot))

    async def entries(self) -> Sequence[Entry] | None:
        """What was committed since; None if that cannot be known any more, and it begins anew."""
        row = await self._row(SINCE, [as_text(self._cursor.identity), as_text(self._cursor.snapshot)])
        identity, snapshot, holds, entries = row
        try:
            self._cursor, found = log.read(_text(identity), _text(snapshot), holds == b"t", entries)
        except CursorExpired:
            await self.begin()
            return None
        return found

    async def _row(self, statement: Statement, parameters: Sequence[bytes | None]) -> Row:
        row = await self._reads.fetch(statement, parameters, Deadline(POLL_SECONDS))
        assert row is not None
        return row


def _text(value: bytes | None) -> str:
    assert value is not None
    return value.decode()
