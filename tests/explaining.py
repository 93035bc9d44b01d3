"""Asks PostgreSQL how it runs each statement."""

from typing import Any


class Explained:
    """Runs SQL as it is, and remembers how PostgreSQL said that it would."""

    def __init__(self) -> None:
        self.plans: list[str] = []

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith("SET"):
            with context["connection"].connection.cursor() as cursor:
                cursor.execute(
                    "SET random_page_cost = 1.1"
                )  # whatever the server says, as if its disk had no moving parts
                cursor.execute(f"EXPLAIN (COSTS OFF) {sql}", params)
                self.plans.append("\n".join(row[0] for row in cursor.fetchall()))
                cursor.execute("RESET random_page_cost")
        return execute(sql, params, many, context)
