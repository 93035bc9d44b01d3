"""Looks at the rows that a race has left, below every rule of ours."""

import uuid
from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.db import connection

from backend.engine.removal import removing
from backend.monitoring import verify
from backend.people.models import Person
from backend.stories.models import Shelf
from tests.races.rivals import until

REMEMBERED_IN = {"stories_tombstone", "engine_idempotencykey", "procrastinate_jobs", "changes_change"}
"""Tables that may name what has been deleted."""

WRONG_TALLIES = """
WITH counted AS (
    SELECT followee_id AS subject_id, 'followers' AS kind FROM follow
    UNION ALL SELECT follower_id, 'following' FROM follow
    UNION ALL SELECT author_id, 'stories' FROM stories_story WHERE published_at IS NOT NULL
    UNION ALL SELECT story_id, 'views' FROM reading_view
), tallied AS (
    SELECT subject_id, kind, count FROM people_persontally UNION ALL SELECT subject_id, kind, count FROM stories_storytally
)
SELECT subject_id, kind, sum(seen) AS rows, sum(said) AS tally FROM (
    SELECT subject_id, kind, 1 AS seen, 0 AS said FROM counted UNION ALL SELECT subject_id, kind, 0, count FROM tallied
) AS both_sides GROUP BY subject_id, kind HAVING sum(seen) <> sum(said)
"""

ACROSS = """
SELECT * FROM follow JOIN block ON (follower_id, followee_id) IN ((blocker_id, blocked_id), (blocked_id, blocker_id))
"""


def query(sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """The rows that a query finds now."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


def empty(*tables: str) -> None:
    """Delete all rows of these tables, guarded ones too, as if they had never been."""
    for table in tables:
        query(f"DELETE FROM {table} WHERE {removing(table)} RETURNING 1")


def scalar(sql: str, *parameters: Any) -> Any:
    """The one value that a query finds now."""
    return query(sql, *parameters)[0][0]


def assert_sound() -> None:
    """Totals equal the rows that they count, and no follow crosses a block."""
    assert query(WRONG_TALLIES) == []
    assert query(ACROSS) == []


def assert_verified() -> None:
    """`manage.py verify` has nothing to say."""
    found = [(result.check.name, result.rows) for result in verify.results() if result.broken]
    assert found == [], found


def assert_nothing_left(*ids: uuid.UUID) -> None:
    """No row of any table names one of these, but for those that say that they are gone."""
    for table, rows in everything().items():
        if table not in REMEMBERED_IN:
            assert [row for row in rows if any(str(id_) in row for id_ in ids)] == [], table


def tables() -> list[str]:
    """Every table of ours and of Django, but that of attempts to sign in and up: these count whatever becomes of them."""
    every = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    return sorted(every - {"limits_bucket"})


def everything() -> dict[str, list[str]]:
    """All rows of all tables, so that two moments can be compared."""
    return rows_of(tables())


def rows_of(tables: Iterable[str]) -> dict[str, list[str]]:
    """All rows of these tables, as text; one statement, because tests ask often."""
    found: dict[str, list[str]] = {table: [] for table in tables}
    for table, row in query(" UNION ALL ".join(f"SELECT '{one}', row::text FROM \"{one}\" AS row" for one in found)):
        found[table].append(row)
    return {table: sorted(rows) for table, rows in found.items()}


def sizes() -> dict[str, int]:
    """How many rows each table has."""
    return dict(query(" UNION ALL ".join(f"SELECT '{one}', count(*) FROM \"{one}\"" for one in tables())))


def crowd(count: int, prefix: str = "guest") -> list[Person]:
    """So many people who exist and cannot sign in, with their shelves."""
    people = [Person(handle=f"{prefix}{number}", name=f"{prefix} {number}") for number in range(count)]
    Person.objects.bulk_create(people, batch_size=2_000)
    Shelf.objects.bulk_create([Shelf(author=person) for person in people])
    return people


ALL_IS_OVER = "SELECT coalesce(max(xid) < pg_snapshot_xmin(pg_current_snapshot()), TRUE) FROM changes_change"


def until_all_is_over() -> None:
    """Return when no transaction is open that is older than what is logged: in whatever database, so another test's may be."""
    until(lambda: scalar(ALL_IS_OVER), "everybody's transactions to be over")
