"""Reads the change log in commit order: what was committed since a cursor, nothing missed, nothing twice.

A cursor is a snapshot, not a number. Numbers are handed out before the commit, so what commits late would lie behind a number
that was reached already; a snapshot knows which transactions were still open. So none waits for another either: a transaction
that stays open delays nothing but its own entries.
"""

import base64
import binascii
import re
import uuid
from dataclasses import dataclass
from operator import lt
from typing import Any, NamedTuple

import orjson
from django.db import connection

MAX_BEHIND = 100_000
"""With more entries than these since a cursor, it is cheaper to load everything again."""
MAX_CURSOR_CHARACTERS = 20_000
"""The maximum length of an encoded cursor: it names each transaction that was open, of which there are some hundreds at most."""

IDENTITY = """concat_ws(
    '.', (SELECT system_identifier FROM pg_control_system()), left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
    (SELECT oid FROM pg_database WHERE datname = current_database()), pg_relation_filenode('changes_change'),
    (SELECT extract(epoch FROM stats_reset)::bigint FROM pg_stat_archiver)
)"""
"""SQL: what the numbers of transactions in a cursor belong to: the cluster and its timeline, which a failover or a restore in
time changes; the database and the log's file, which another restore or TRUNCATE changes; and when the cluster began to count
its work, which a crash changes, because after it PostgreSQL may use again the number of a transaction that was rolled back.
"""

HOLDS = """(
    {identity} = {expected} AND pg_snapshot_xmax({snapshot}) <= pg_snapshot_xmax(pg_current_snapshot())
    AND pg_snapshot_xmin({snapshot}) >= coalesce(
        (SELECT xid FROM changes_mark WHERE pruned AND xid <= pg_snapshot_xmax(pg_current_snapshot()) ORDER BY xid DESC LIMIT 1),
        '0'::xid8
    )
)"""
"""SQL: whether the log still has everything since a cursor."""

BEGIN = f"SELECT {IDENTITY}, pg_current_snapshot()::text"

SINCE = f"""
SELECT now.identity, now.snapshot, now.holds, found.entries
FROM (
    SELECT identity, pg_current_snapshot()::text AS snapshot,
        {HOLDS.format(identity="identity", expected="%(identity)s", snapshot="%(snapshot)s::pg_snapshot")} AS holds
    FROM (SELECT {IDENTITY} AS identity) AS present
) AS now
LEFT JOIN LATERAL (
    SELECT json_agg(
        json_build_array(one.kind, one.id, one.aggregate, one.owner, one.version, one.gone) ORDER BY one.seq
    )::text AS entries
    FROM (
        SELECT * FROM (
            SELECT * FROM changes_change
            WHERE now.holds AND xid = ANY(ARRAY(SELECT pg_snapshot_xip(%(snapshot)s::pg_snapshot)))
            UNION ALL
            SELECT * FROM changes_change WHERE now.holds AND xid >= pg_snapshot_xmax(%(snapshot)s::pg_snapshot)
                AND xid < pg_snapshot_xmax(pg_current_snapshot())
        ) AS change
        LIMIT {MAX_BEHIND + 1}
    ) AS one
) AS found ON TRUE
"""
"""One row, from one snapshot, which is the next cursor. Two ranges of the index, however many of the later transactions were seen
already behind one that stayed open; the end of the second only leaves out what a restore brought from another cluster. By `seq`,
because of two writers of one thing the second has the greater one, and not always the greater number of a transaction.
"""

APPEND = """
INSERT INTO changes_change (kind, id, aggregate, owner, version, gone)
VALUES (%(kind)s, %(id)s, %(id)s, %(owner)s, 0, FALSE)
"""

SNAPSHOT = re.compile(r"[1-9][0-9]{0,18}:[1-9][0-9]{0,18}:([1-9][0-9]{0,18}(,[1-9][0-9]{0,18})*)?", re.ASCII)
PLACE = re.compile(r"[0-9]+\.[0-9A-F]+\.[0-9]+\.[0-9]+\.[0-9]+", re.ASCII)


class CursorExpired(Exception):
    """The log does not have everything since this cursor: load what is shown, and begin anew."""


class Malformed(Exception):
    """A text is no cursor."""


@dataclass(frozen=True)
class Cursor:
    """What was committed at one moment, of one log."""

    identity: str
    """Which log's; see `IDENTITY`."""
    snapshot: str
    """PostgreSQL's snapshot: all before its first number were over, all from its second on had not begun; then who was open."""

    def encode(self) -> str:
        """As text that is opaque to clients."""
        return encoded(self.identity, self.snapshot)

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """The cursor that `encode` made a text of. Raises `Malformed`."""
        match decoded(text):
            case [identity, snapshot] if is_identity(identity) and is_snapshot(snapshot):
                return cls(identity, snapshot)
        raise Malformed


class Entry(NamedTuple):
    """One entry of the log; see `models.Change`, and `kinds` for those that are about no thing."""

    kind: str
    id: uuid.UUID
    aggregate: uuid.UUID
    owner: uuid.UUID | None
    version: int
    gone: bool


def begin() -> Cursor:
    """The cursor of now: after everything that is committed, before everything that is not."""
    with connection.cursor() as cursor:
        cursor.execute(BEGIN)
        return Cursor(*cursor.fetchone())


def since(at: Cursor) -> tuple[Cursor, list[Entry]]:
    """What was committed since a cursor, the versions of each thing in their order, and the next cursor.

    Raises `CursorExpired`.
    """
    with connection.cursor() as cursor:
        cursor.execute(SINCE, {"identity": at.identity, "snapshot": at.snapshot})
        return read(*cursor.fetchone())


def append(signal: str, owner: uuid.UUID, about: uuid.UUID | None = None) -> None:
    """Append what no trigger can: a signal about the owner, or about a thing of theirs."""
    with connection.cursor() as cursor:
        cursor.execute(APPEND, {"kind": signal, "id": about or owner, "owner": owner})


def read(identity: str, snapshot: str, holds: bool, entries: str | bytes | None) -> tuple[Cursor, list[Entry]]:
    """What the row that `SINCE` selects says. Raises `CursorExpired`."""
    found = orjson.loads(entries) if entries else []
    if not holds or len(found) > MAX_BEHIND:
        raise CursorExpired
    return Cursor(identity, snapshot), [_entry(*one) for one in found]


def _entry(kind: str, id: str, aggregate: str, owner: str | None, version: int, gone: bool) -> Entry:
    return Entry(kind, uuid.UUID(id), uuid.UUID(aggregate), None if owner is None else uuid.UUID(owner), version, gone)


def encoded(*parts: Any) -> str:
    """Text without meaning for clients, of parts without a bar in them."""
    return base64.urlsafe_b64encode("|".join(map(str, parts)).encode()).decode().rstrip("=")


def decoded(text: str) -> list[str]:
    """The parts that `encoded` made a text of. Raises `Malformed`."""
    if len(text) > MAX_CURSOR_CHARACTERS:
        raise Malformed
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii").split("|")
    except (ValueError, binascii.Error):
        raise Malformed from None


def is_identity(text: str) -> bool:
    """Whether `IDENTITY` could have printed this."""
    return PLACE.fullmatch(text) is not None


def is_snapshot(text: str) -> bool:
    """Whether PostgreSQL could have printed this snapshot."""
    if not SNAPSHOT.fullmatch(text):
        return False
    first, end, running = text.split(":")
    numbers = [int(first), *map(int, filter(None, running.split(","))), int(end)]
    later = numbers[1:]
    if any(number % 2**32 == 0 for number in numbers):  # the lower half is 0 of no transaction
        return False
    return numbers[-1] < 2**63 and numbers[0] <= later[0] and all(map(lt, later, later[1:]))
