"""Answers with rows that a mutation has written: each is shown as it was written.

What is asked of its own columns, and of those of the rows that were written with it, is at hand. For anything else a plan reads
over the row itself.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import cache, partial
from operator import attrgetter
from typing import Any

from django.db.models import Model
from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    get_named_type,
)
from graphql.pyutils import Path
from orjson import Fragment
from strawberry_django.utils.typing import get_django_definition

from backend.postgresql.select import select
from backend.sources import Shown, Source, Value, as_json
from schema.execution.fields import source_of
from schema.execution.length import counted, left
from schema.execution.markers import has_marks
from schema.execution.operations import Details, Selected, Selection
from schema.execution.parts import Scope
from schema.execution.plans import LIMIT, RowPlans
from schema.nodes import to_id


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
    values = {**given.values(plan.columns), "viewer": shown.viewer_id, "token": plans.token, LIMIT: left()}
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


OWN = re.compile(r"""\$row\."?(\w+)"?( \|\| ':' \|\| \$row\."?(\w+)"?)?""")
"""A source that is a column, or the key of an id that is made of two."""


def at_hand(selection: Selection, fields: Sequence[Selected], row: Any) -> dict[str, Any] | None:
    """The object, if nothing is asked but columns of the row, and of those that were written with it; None otherwise."""
    shown: Shown = row.shown
    answer: dict[str, Any] = {}
    for one in fields:
        read = _reader(one.owner, one.field, shown.instead.get(one.field))
        if read is not None:
            answer[one.name] = read(row)
        elif one.field in shown.beside:
            answer[one.name] = inside = _inside(selection, one, shown.beside[one.field])
            if inside is None:
                return None
        elif one.field in shown.lists:
            answer[one.name] = items = [_inside(selection, one, item) for item in shown.lists[one.field]]
            if None in items:
                return None
        else:
            return None
    return answer


def _inside(selection: Selection, one: Selected, row: Any) -> dict[str, Any] | None:
    assert one.definition is not None
    type_ = get_named_type(one.definition.type)
    assert isinstance(type_, GraphQLObjectType)
    return at_hand(selection, one.below(selection, type_), row)


def fields_in(answer: Any) -> int:
    """How many fields the objects have that are at hand."""
    if isinstance(answer, list):
        return sum(map(fields_in, answer))
    return len(answer) + sum(map(fields_in, answer.values())) if isinstance(answer, dict) else 0


@cache
def _reader(type_: GraphQLObjectType, field: str, instead: Source | None) -> Callable[[Any], Any] | None:
    """Reads a field from a row in memory, as its plan would print it; None if it shows more than the row's own columns.

    `instead` is the source that the row has for it.
    """
    if field == "__typename":
        return lambda _: type_.name
    definition = type_.fields[field]
    leaf = definition.type.of_type if isinstance(definition.type, GraphQLNonNull) else definition.type
    source = None if definition.args else instead or source_of(type_.name, definition)
    if (
        not isinstance(leaf, GraphQLScalarType | GraphQLEnumType)
        or not isinstance(source, Value)
        or source.convert
        or source.is_wide
    ):
        return None
    found = OWN.fullmatch(source.sql)
    if found is None:
        return None
    keys = [attrgetter(_attribute(type_, column)) for column in (found[1], found[3]) if column]
    if leaf.name == "ID":
        return lambda row: to_id(type_.name, *(key(row) for key in keys))
    return partial(_value, leaf, keys[0])


def _value(leaf: GraphQLScalarType | GraphQLEnumType, of: Callable[[Any], Any], row: Any) -> Any:
    value = of(row)
    if value is None or isinstance(leaf, GraphQLEnumType):  # which is stored by the names of its values
        return value
    return leaf.coerce_output_value(value)


def _attribute(type_: GraphQLObjectType, column: str) -> str:
    """The name of a row's attribute that holds this column."""
    model = get_django_definition(type_.extensions["strawberry-definition"].origin)
    if model is None:
        return column
    return next(one.attname for one in model.model._meta.concrete_fields if one.column == column)


class Given:
    """A row and those beside it, as parts of a statement."""

    def __init__(self, row: Any) -> None:
        self._rows: dict[str, Any] = {}
        self.rows: list[tuple[str, str]] = []
        """Alias and SQL of each."""
        self.scope = self._add(_rows_of(row), row)

    def _add(self, sql: str, row: Any) -> Scope:
        shown: Shown = row.shown
        alias = f"g{len(self.rows)}"
        self.rows.append((alias, sql.format(f"${alias}")))
        self._rows[alias] = row
        known = {name: self._add(_rows_of(one), one) for name, one in shown.beside.items()}
        return Scope(alias, known, shown.instead)

    def values(self, columns: Mapping[str, Set[str]]) -> dict[str, Any]:
        """What is bound: these columns of each row, and what was given beside them."""
        values: dict[str, Any] = {}
        for alias, row in self._rows.items():
            values |= {alias: _json_of(row, columns[alias]), **row.shown.values}
        return values

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


def _json_of(row: Any, columns: Set[str]) -> str:
    if isinstance(row, Model):
        fields = [one for one in row._meta.concrete_fields if one.column in columns]
        return as_json({str(one.column): one.value_from_object(row) for one in fields})
    return as_json({name: value for name, value in vars(row).items() if name in columns})
