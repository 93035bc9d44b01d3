"""Answers with rows that a mutation has written: each is shown by a plan over the row itself, as it was written."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Model
from graphql import GraphQLError, GraphQLObjectType
from graphql.pyutils import Path
from orjson import Fragment

from backend.postgresql.select import select
from backend.sources import Shown, as_json, columns_of
from schema.execution.length import counted, left
from schema.execution.markers import has_marks
from schema.execution.operations import Details
from schema.execution.parts import Scope
from schema.execution.plans import LIMIT, RowPlans


def is_row(value: object) -> bool:
    """Whether it is a row that a plan can show."""
    return hasattr(value, "shown")


def answer_with_row(
    plans: RowPlans, type_: GraphQLObjectType, details: Details, row: Any, path: Path
) -> tuple[Any, list[GraphQLError]]:
    """The object, as JSON if nothing is wrong in it, and what is. Raises `GraphQLError` if it cannot be shown at all."""
    given = Given(row)
    plan = plans.plan(type_, details, given)
    shown: Shown = row.shown
    values = {**given.values, "viewer": shown.viewer_id, "token": plans.token, LIMIT: left()}
    found = select(plan.statement, plans.binding.values(plan, values))
    assert found is not None
    assert found[0] is not None
    answer = counted(found[0])
    if not has_marks(answer):
        return Fragment(answer), []
    reader = plans.binding.reader(plan, str(shown.viewer_id))
    data = reader.data(answer, plan.shapes, path)
    if data is None:
        raise reader.errors.pop()
    return data, reader.errors


class Given:
    """A row and those beside it, as parts of a statement."""

    def __init__(self, row: Any) -> None:
        self.values: dict[str, Any] = {}
        self.rows: list[tuple[str, str]] = []
        """Alias and SQL of each."""
        self.scope = self._add(_rows_of(row), row)

    def _add(self, sql: str, row: Any) -> Scope:
        shown: Shown = row.shown
        alias = f"g{len(self.rows)}"
        self.rows.append((alias, sql.format(f"${alias}")))
        self.values |= {alias: _json_of(row), **shown.values}
        known = {name: self._add(_rows_of(one), one) for name, one in shown.beside.items()}
        return Scope(alias, known, shown.instead)

    @property
    def shape(self) -> tuple[Any, ...]:
        """What changes the statement."""
        return tuple(self._shapes(self.scope))

    def _shapes(self, scope: Scope) -> Iterator[Any]:
        yield scope.alias, tuple(scope.instead.items())
        for name, inside in scope.known.items():
            yield name
            yield from self._shapes(inside)


def _rows_of(row: Any) -> str:
    if isinstance(row, Model):
        return f"jsonb_populate_record(NULL::{row._meta.db_table}, {{}}::jsonb)"
    return f"jsonb_to_record({{}}::jsonb) AS given ({type(row).COLUMNS})"


def _json_of(row: Any) -> str:
    if isinstance(row, Model):
        return as_json(columns_of(row))
    return as_json({name: value for name, value in vars(row).items() if name != "shown"})
