"""Empties the tests' database after a test that committed: only the tables that were written, in two or three statements.

Django's own flush empties every table, written or not, with as many statements as there are tables and indexes, and then
makes content types and permissions again.
"""

from functools import cache

from django.db import connection, connections, transaction
from psycopg import sql
from psycopg.pq import TransactionStatus

from backend.engine.removal import SETTING

KEPT = {"django_migrations", "django_content_type", "auth_permission", "whispers_policyversion"}
"""What migrations have filled, and tests do not write."""
AFTER = ("procrastinate_jobs", "changes_change")
"""What comes after the others, in this order: deleting a job changes the row of its turn by the clock, and one statement cannot
change a row twice; and deleting what is logged appends to the log.
"""
MANY = 2_000
"""Rows from which on TRUNCATE is quicker: it makes new files for each table and index, but does not look at any row."""


@cache
def tables() -> tuple[str, ...]:
    """Every table that a test can write, those of the queue among them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
        return tuple(sorted({name for (name,) in cursor.fetchall()} - KEPT))


@cache
def _counting() -> sql.Composed:
    """Counts the rows of each table, in one statement, no further than it matters."""
    one = sql.SQL("SELECT {}, (SELECT count(*) FROM (SELECT FROM {} LIMIT {}) AS seen)")
    counts = [one.format(sql.Literal(name), sql.Identifier(name), sql.Literal(MANY)) for name in tables()]
    return sql.SQL("SELECT * FROM ({}) AS found (name, number) WHERE number > 0").format(
        sql.SQL(" UNION ALL ").join(counts)
    )


def clear() -> None:
    """Empty what was written. Waits for whoever is still writing, so that nothing comes afterwards."""
    _sound_connection()
    with transaction.atomic(), connection.cursor() as cursor:
        everything = sql.SQL(", ").join(map(sql.Identifier, tables()))
        cursor.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(everything))
        cursor.execute("SELECT set_config(%s, %s, true)", [SETTING, " ".join(tables())])
        cursor.execute(_counting())
        found = dict(cursor.fetchall())
        if sum(found.values()) >= MANY:
            cursor.execute(sql.SQL("TRUNCATE {}").format(everything))
            return
        if written := [name for name in found if name not in AFTER]:
            cursor.execute(_deleting(written))
        for name in AFTER:
            cursor.execute(_deleting([name]))


def _sound_connection() -> None:
    """Connections stay open from test to test, with what PostgreSQL remembers in them; but not one that a test has broken."""
    for one in connections.all(initialized_only=True):
        raw = one.connection
        if raw is not None and (raw.closed or raw.info.transaction_status is not TransactionStatus.IDLE):
            one.close()
    with connection.cursor() as cursor:
        cursor.execute("RESET ALL")


def _deleting(written: list[str]) -> sql.Composed:
    """Deletes all rows of these tables, in one statement; foreign keys are looked at when it has ended."""
    *others, last = [sql.SQL("DELETE FROM {}").format(sql.Identifier(name)) for name in written]
    if not others:
        return last
    parts = [sql.SQL("{} AS ({})").format(sql.Identifier(f"t{n}"), one) for n, one in enumerate(others)]
    return sql.SQL("WITH {} {}").format(sql.SQL(", ").join(parts), last)
