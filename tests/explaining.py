"""Asks PostgreSQL how it runs each statement."""

from typing import Any

from psycopg import RawCursor


class Explained:
    """Runs SQL as it is, and remembers how PostgreSQL said that it would; `analyse` has it say what it did for that.

    A statement with `$1` is planned without its values, as where it is prepared.
    """

    def __init__(self, *, analyse: bool = False) -> None:
        self.plans: list[str] = []
        self._analyse = analyse

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith("SET"):
            used = context["cursor"].cursor  # None where the statement is sent without one
            with (RawCursor if used is None else type(used))(context["connection"].connection) as cursor:
                # Whatever the server says, as if its disk had no moving parts.
                cursor.execute("SET random_page_cost = 1.1")
                if self._analyse:
                    cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS) {sql}", params)
                elif "$1" in sql:
                    cursor.execute(f"EXPLAIN (GENERIC_PLAN, COSTS OFF) {sql}", prepare=False)
                else:
                    cursor.execute(f"EXPLAIN (COSTS OFF) {sql}", params)
                self.plans.append("\n".join(row[0] for row in cursor.fetchall()))
                cursor.execute("RESET random_page_cost")
        return execute(sql, params, many, context)
