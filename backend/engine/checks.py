"""An invariant as a query for the rows that violate it."""

from dataclasses import dataclass
from typing import Any

from django.db import ProgrammingError, connection, transaction

MAX_ROWS = 20
"""How many violating rows of each check are shown; the others are only counted."""


@dataclass(frozen=True)
class Check:
    """One invariant. `broken` is SQL for the rows that violate it; `among` names the table, or selects the rows, to check."""

    name: str
    says: str
    among: str
    broken: str


@dataclass(frozen=True)
class Result:
    """The result of a check: how many rows were checked, how many violate it, and the first of those."""

    check: Check
    among: int
    broken: int
    rows: list[dict[str, Any]]


def run(check: Check) -> Result:
    """Run the check in the caller's transaction. A check whose SQL fails does not hold."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            return _ask(cursor, check)
    except ProgrammingError as error:  # a table, a view or a column is missing
        return Result(check, among=0, broken=1, rows=[{"error": str(error).splitlines()[0]}])


def _ask(cursor: Any, check: Check) -> Result:
    cursor.execute(f"SELECT count(*) FROM {check.among} AS among")
    (among,) = cursor.fetchone()
    cursor.execute(f"SELECT count(*) OVER () AS how_many, broken.* FROM ({check.broken}) AS broken LIMIT {MAX_ROWS}")
    _how_many, *names = (column.name for column in cursor.description)
    found = cursor.fetchall()
    rows = [dict(zip(names, values, strict=True)) for _how_many, *values in found]
    return Result(check, among, found[0][0] if found else 0, rows)


def tally_check(name: str, table: str, kind: str, counted: str) -> Check:
    """The check that a total's slots add up to the rows that it counts. `counted` is SQL for the subject of each such row."""
    return Check(
        name,
        f"each total of {kind} is the number of rows that it counts",
        f"({counted})",
        f"""
        SELECT subject, coalesce(counted, 0) AS counted, coalesce(tallied, 0) AS tallied
        FROM (SELECT subject, count(*) AS counted FROM ({counted}) AS rows (subject) GROUP BY subject) AS rows
        FULL JOIN (
            SELECT subject_id AS subject, sum(count) AS tallied FROM {table} WHERE kind = '{kind}' GROUP BY subject_id
        ) AS tallies USING (subject)
        WHERE coalesce(counted, 0) <> coalesce(tallied, 0)
        """,
    )
