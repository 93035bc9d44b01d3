"""What a unit of work locks or writes, seen from outside: two units that share nothing need not meet."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from tests.races.logical_state import put_back, rows_now, tables
from tests.races.rows import query, scalar
from tests.races.stepped import Kind, Stepper, Work

APART = frozenset({"limits_bucket"})
"""Attempts, which are counted by the address that all tests share."""


@dataclass(frozen=True)
class Touched:
    """Rows by each of their unique keys; and tables that it would have written to, had there been anything to write."""

    rows: frozenset[tuple[str, str]]
    tables: frozenset[str]

    def meets(self, other: "Touched") -> bool:
        """Whether both may touch the same row."""
        return bool(self.rows & other.rows or self._all & other.tables or self.tables & other._all)

    @property
    def _all(self) -> frozenset[str]:
        return self.tables | {table for table, _ in self.rows}


@cache
def unique_keys() -> Mapping[str, tuple[tuple[str, ...], ...]]:
    """The columns of each unique index, by table."""
    found: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    sql = """
        SELECT indrelid::regclass::text, array(SELECT attname::text FROM pg_attribute WHERE attrelid = indrelid
            AND attnum = ANY(indkey) ORDER BY attnum) FROM pg_index WHERE indisunique AND indexprs IS NULL
    """
    for table, columns in query(sql):
        found[table].append(tuple(columns))
    return {table: tuple(columns) for table, columns in found.items()}


def touched_by(work: Work) -> Touched:
    """Do `work` alone, look at which rows it has locked and written, and put everything back."""
    before, start = rows_now(), scalar("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
    stepper, rows, tried = Stepper(1), set[tuple[str, str]](), set[str]()
    stepper.begin([work])
    while stepper.able():
        step = stepper.step(0)
        if step.kind is Kind.END:
            rows |= _marked(start)
        if step.kind is Kind.WRITE:
            tried.add(step.name.split()[1])
        stepper.go(0)
    rows |= _marked(start)
    stepper.end()
    put_back(before, rows_now())
    return Touched(frozenset(rows), frozenset(tried - {table for table, _ in rows} - APART))


def _marked(start: int) -> set[tuple[str, str]]:
    """The unique keys of rows that a transaction since `start` has made, changed or locked, as PostgreSQL notes in them."""
    since = "xmin::text::bigint >= %s OR xmax::text::bigint >= %s"
    names = [table for table in tables() if table not in APART]
    parts = [f"SELECT '{table}', to_jsonb(one) FROM \"{table}\" AS one WHERE {since}" for table in names]
    found: set[tuple[str, str]] = set()
    for table, row in query(" UNION ALL ".join(parts), *[start, start] * len(names)):
        values = json.loads(row) if isinstance(row, str) else row
        for columns in unique_keys().get(table, ()):
            found.add((table, json.dumps([values[column] for column in columns])))
    return found
