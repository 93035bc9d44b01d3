"""Executes the root fields of a mutation, one after the other, and makes their answers (GraphQL, sections 6.2.2 and 6.4).

A field that says which rows it wrote is completed by them: a row is shown by `rows`. All other objects of an answer are made in
Python, field by field. An answer that has too many fields ends, and so does one whose time is over or whose client has gone.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.utils.functional import cached_property
from graphql import (
    GraphQLError,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    is_leaf_type,
    located_error,
)
from graphql.pyutils import Path

from backend.engine.errors import NotFound
from backend.engine.text import normalize
from schema.answers import answer_to
from schema.context import Context
from schema.execution.counting import FieldCount
from schema.execution.errors import Stopped
from schema.execution.fields import declared
from schema.execution.graphql_schema import GRAPHQL
from schema.execution.markers import IsGone, IsNull
from schema.execution.operations import Selected, Selection
from schema.execution.parts import TooLarge
from schema.execution.plans import RowPlans, price_of
from schema.execution.rows import answer_with_row, at_hand, fields_in, is_row
from schema.mutations import Call, run, types_of
from schema.nodes import type_name_of

GONE = "This was written, and is gone: somebody deleted it before it could be shown."


class Writing:
    """One operation that writes, and its answer as far as it is made."""

    def __init__(self, selection: Selection, context: Context, *, is_measured: bool) -> None:
        """Its answer is measured if its texts could be too long."""
        self._selection, self._context = selection, context
        self._is_measured = is_measured
        self.count = FieldCount()
        self.errors: list[GraphQLError] = []
        self.too_large: TooLarge | None = None
        """Set if a statement that shows a row would be too large."""

    @cached_property
    def _plans(self) -> RowPlans:
        """The plans for rows that are not at hand."""
        context = self._context
        return RowPlans(self._selection, context.charge, context.token, is_measured=self._is_measured)

    def execute(self) -> dict[str, Any] | None:
        """The data of the answer; null if a field is that cannot be, and then what follows it is not done. Raises `Stopped`."""
        fields = self._selection.operation.selected(self._selection)
        self.count.add(len(fields))
        data: dict[str, Any] = {}
        try:
            for one in fields:
                data[one.name] = self._value(one, None, None)
        except GraphQLError as error:
            self.errors.append(error)
            return None
        return data

    def _value(self, one: Selected, of: Any, path: Path | None) -> Any:
        """The value of a field; null instead of an error."""
        if one.definition is None or one.read is None:
            return one.owner.name
        here = Path(path, one.name, one.owner.name)
        try:
            if path is None:
                return self._answered(one, here)
            return self._completed(one.definition.type, one, one.read(of), here)
        except Exception as raised:
            return self._null(one.definition.type, one, here, raised)

    def _answered(self, one: Selected, path: Path) -> Any:
        """The answer of a mutation; that it is gone, if somebody has deleted of it what must be shown since COMMIT."""
        assert one.definition is not None
        answer = self._written(one)
        try:
            return self._completed(one.definition.type, one, answer, path)
        except GraphQLError as error:
            if not isinstance(error.original_error, IsGone):
                raise
            gone = answer_to(NotFound(GONE), types_of(declared(one.definition)))
            if gone is None:
                raise
            return self._completed(one.definition.type, one, gone, path)

    def _written(self, one: Selected) -> Any:
        assert one.definition is not None
        return run(declared(one.definition), Call(self._context, one.field, one.name), partial(self._arguments, one))

    def _arguments(self, one: Selected) -> dict[str, Any]:
        arguments: dict[str, Any] = normalize(one.arguments(self._selection.values))
        return arguments

    def _completed(self, type_: Any, one: Selected, value: Any, path: Path) -> Any:
        if isinstance(type_, GraphQLNonNull):
            value = self._completed(type_.of_type, one, value, path)
            if value is None:
                raise IsNull
            return value
        if value is None:
            return None
        if isinstance(type_, GraphQLList):
            places = (Path(path, at, None) for at in range(len(value)))
            return [self._item(type_.of_type, one, item, here) for item, here in zip(value, places, strict=True)]
        if is_leaf_type(type_):
            leaf: GraphQLLeafType = type_
            return leaf.coerce_output_value(value)
        return self._object(_object_type(value), one, value, path)

    def _item(self, type_: Any, one: Selected, value: Any, path: Path) -> Any:
        try:
            return self._completed(type_, one, value, path)
        except Exception as raised:
            return self._null(type_, one, path, raised)

    def _null(self, type_: Any, one: Selected, path: Path, raised: Exception) -> None:
        """Note an error. Raises it where null is no value, so that what is around it is null."""
        error = located_error(raised, one.nodes, path.as_list())
        if isinstance(type_, GraphQLNonNull):
            raise error from raised
        self.errors.append(error)

    def _object(self, type_: GraphQLObjectType, one: Selected, value: Any, path: Path) -> Any:
        fields = one.below(self._selection, type_)
        if is_row(value):
            return self._row(type_, one, fields, value, path)
        self.count.add(len(fields))
        return {field.name: self._value(field, value, path) for field in fields}

    def _row(self, type_: GraphQLObjectType, one: Selected, fields: Sequence[Selected], row: Any, path: Path) -> Any:
        """What is at hand of a row, or what its plan says."""
        found = at_hand(self._selection, fields, row)
        if found is not None:
            self.count.add(fields_in(found))
            return found
        try:
            answer, errors = answer_with_row(self._plans, type_, one.details, row, path)
        except TooLarge as excess:
            self._context.charge(price_of(excess.found))
            self.too_large = excess
            raise Stopped from excess
        self.errors += errors
        return answer


def _object_type(value: object) -> GraphQLObjectType:
    """The type that shows an object: an answer's own, or that of a row."""
    own = getattr(value, "__strawberry_definition__", None)
    found = GRAPHQL.type_map[type_name_of(value) if own is None else own.name]
    assert isinstance(found, GraphQLObjectType)
    return found
