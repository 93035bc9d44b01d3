"""The rows of all tables as a reader would tell them, without what chance and the clock have made of them; and their return.

Two ends are the same if the same things stand in the same relations. New ids are told apart by what refers to them, totals are
summed over their slots, and a moment only is there or not.
"""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import Any

from django.db import connection, transaction

from schema.nodes import from_id
from tests.clearing import KEPT
from tests.races.rows import query

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[+-]\d\d(?::?\d\d)?|Z)?")
GLOBAL_ID = re.compile(r"^[A-Za-z0-9_=-]{16,}$")
ROUNDS = 4
"""How far a thing is told apart by what refers to it: a reply names a chapter, which names a story, which names a person."""
COUNTED_ANYWAY = {"limits_bucket"}
"""Attempts, which are counted by the clock."""

NOT_COMPARED = {"afterMs", "message", "deletedAt"}
"""What an answer says by chance, so that not all come back at once; what it says to people, since programs go by its code; and
whether a refusal still knows when the thing was deleted, which a revision that went with its story does not.
"""

Rows = dict[str, list[dict[str, Any]]]
"""By table, as JSON has them."""


@cache
def tables() -> Mapping[str, tuple[str, ...]]:
    """Every table with the columns that can be written."""
    found: dict[str, list[str]] = defaultdict(list)
    sql = """
        SELECT relname, attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
        ORDER BY relname, attnum
    """
    for table, column in query(sql):
        if table not in KEPT:
            found[table].append(column)
    return {table: tuple(columns) for table, columns in found.items()}


@cache
def numbered() -> frozenset[tuple[str, str]]:
    """Columns that a sequence fills, or the number of the transaction."""
    return frozenset(
        query("""
            SELECT relname, attname FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid
            LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
            WHERE relkind = 'r' AND (attidentity <> '' OR pg_get_expr(adbin, adrelid) ~ '^(nextval|pg_current_xact_id)')
        """)
    )


def rows_now() -> Rows:
    """All rows of all tables, in one statement."""
    found: Rows = defaultdict(list)
    parts = [f"SELECT '{table}', to_jsonb(one) FROM \"{table}\" AS one" for table in tables()]
    for table, row in query(" UNION ALL ".join(parts)):
        found[table].append(json.loads(row) if isinstance(row, str) else row)
    return dict(found)


def put_back(rows: Rows, present: Rows) -> None:
    """Make all tables hold `rows`, which differ from those that they hold at `present`, without a trigger."""
    changed = [table for table in tables() if rows.get(table, []) != present.get(table, [])]
    if not changed:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table in changed:
            columns = ", ".join(f'"{column}"' for column in tables()[table])
            cursor.execute(f'DELETE FROM "{table}"')
            if rows.get(table):
                cursor.execute(
                    f'INSERT INTO "{table}" ({columns}) OVERRIDING SYSTEM VALUE '
                    f'SELECT {columns} FROM jsonb_populate_recordset(NULL::"{table}", %s::jsonb)',
                    [json.dumps(rows[table])],
                )


class Told:
    """Rows and answers at the end of a schedule, told without what chance has made of them."""

    def __init__(self, rows: Rows, known: frozenset[str]) -> None:
        """`known` are the ids that were there before."""
        self._names = {id_: id_ for id_ in known}
        texts = {table: [_text(table, row) for row in found] for table, found in rows.items() if _is_told(table)}
        totals = {table: found for table, found in rows.items() if table.endswith("tally")}
        for _ in range(ROUNDS):
            self._names = self._names | self._named(texts)
        self.rows = {table: tuple(sorted(map(self.text, found))) for table, found in sorted(texts.items())}
        self.rows |= {table: tuple(sorted(map(self.text, _totals(found)))) for table, found in sorted(totals.items())}

    def text(self, text: str) -> str:
        """A text with names in place of ids."""
        return UUID.sub(lambda found: self._names.get(found[0], "new"), text)

    def answer(self, answer: Any) -> Any:
        """An answer of the API, or whatever else a work returned."""
        if isinstance(answer, dict):
            return {name: self.answer(value) for name, value in answer.items() if name not in NOT_COMPARED}
        if isinstance(answer, list | tuple):
            return [self.answer(value) for value in answer]
        return self._said(answer) if isinstance(answer, str) else answer

    def _said(self, text: str) -> str:
        found = from_id(text) if GLOBAL_ID.match(text) else None
        if found is not None:
            return f"{found[0]} {' '.join(self.text(str(key)) for key in found[1])}"
        return MOMENT.sub("a moment", self.text(text))

    def _named(self, texts: Mapping[str, list[str]]) -> dict[str, str]:
        """Names for the ids that are new: what is said of them, by the names that the others have so far."""
        said: dict[str, list[str]] = defaultdict(list)
        for table, found in texts.items():
            for text in found:
                for id_ in set(UUID.findall(text)):
                    if self._names.get(id_) != id_:
                        said[id_].append(f"{table} {self.text(text.replace(id_, 'this'))}")
        return {id_: f"new {hashlib.sha256(repr(sorted(all_)).encode()).hexdigest()[:8]}" for id_, all_ in said.items()}


def ids_in(rows: Rows) -> frozenset[str]:
    """Every id that a row holds."""
    return frozenset(UUID.findall(json.dumps(rows)))


def _is_told(table: str) -> bool:
    return table not in COUNTED_ANYWAY and not table.endswith("tally")


def _text(table: str, row: Mapping[str, Any]) -> str:
    shown = {column: _value(column, value) for column, value in row.items() if (table, column) not in numbered()}
    return MOMENT.sub("a moment", json.dumps(shown, sort_keys=True))


def _value(column: str, value: Any) -> Any:
    """Hashes and secrets are made with chance, and a number of a job by a sequence."""
    made_by_chance = isinstance(value, str) and (value.startswith("\\x") or column == "password")
    return "…" if made_by_chance or column == "job_id" else value


def _totals(rows: list[dict[str, Any]]) -> list[str]:
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        sums[row["subject_id"], row["kind"]] += row["count"]
    return [f"{subject} {kind} {total}" for (subject, kind), total in sums.items() if total]
