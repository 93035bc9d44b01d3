"""Deletes what is old in the change log, and remembers up to where, so that older cursors are refused."""

from datetime import timedelta

from django.db import connection

BATCH = 20_000
"""Entries in one transaction."""

MARK = "INSERT INTO changes_mark (xid) VALUES (pg_snapshot_xmin(pg_current_snapshot())) ON CONFLICT DO NOTHING"
"""All transactions before that one are over now: what they have written is as old as the mark."""

CHOOSE = """
UPDATE changes_mark SET pruned = TRUE WHERE at = (
    SELECT at FROM changes_mark WHERE at < now() - make_interval(secs => %(kept)s) ORDER BY at DESC LIMIT 1
) RETURNING xid::text
"""
DELETE = f"""
DELETE FROM changes_change WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM changes_change WHERE xid < %(before)s::xid8 ORDER BY xid, seq LIMIT {BATCH}
))
"""
FORGET = "DELETE FROM changes_mark WHERE xid < %(before)s::xid8"
EMPTY = "TRUNCATE changes_change, changes_mark"


def prune(kept: timedelta) -> int:
    """Delete the entries that were there `kept` ago or longer, in batches; returns how many.

    To be called about once a day: each call marks what there is now, and one mark is as old as it takes to be pruned. The mark is
    set before anything is deleted, and each statement is a transaction: so who reads beside it either finds all, or is refused.
    """
    with connection.cursor() as cursor:
        cursor.execute(MARK)
        cursor.execute(CHOOSE, {"kept": kept.total_seconds()})
        found = cursor.fetchone()
        if found is None:
            return 0
        before, deleted = {"before": found[0]}, 0
        while True:
            cursor.execute(DELETE, before)
            deleted += cursor.rowcount
            if cursor.rowcount < BATCH:
                break
        cursor.execute(FORGET, before)
        return deleted


def empty() -> None:
    """Forget everything, so that all cursors expire: of rows that were restored the log says nothing."""
    with connection.cursor() as cursor:
        cursor.execute(EMPTY)
