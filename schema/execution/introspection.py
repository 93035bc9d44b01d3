"""Counts the fields of introspection. The schema is known, so they are counted one by one, as they will be answered."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from graphql import (
    BooleanValueNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    SelectionSetNode,
    get_named_type,
    get_nullable_type,
    is_list_type,
)

from schema.execution.document_limits import CAP


class Introspected:
    """Counts the selections of one document on the schema and its types.

    What is the same for a type wherever it appears is counted once, and counting ends when these alone are more than a
    request may ask for.
    """

    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._fragments, self._info = fragments, SimpleNamespace(schema=schema)
        self._meta = {name: schema.type_map[name] for name in ("__Schema", "__Type")}
        self._plans: dict[int, _Plan] = {}
        self._known: dict[tuple[int, int], int] = {}
        self._least = 0
        """The fields that were counted, without those that are the same again."""

    def of_schema(self, selected: SelectionSetNode) -> int:
        """The fields that `__schema` answers with these selections."""
        return self._counted(selected, "__Schema", self._info.schema)

    def of_type(self, selected: SelectionSetNode, name: str) -> int:
        """The fields that `__type` answers for the type of this name; none if there is no such type."""
        type_ = self._info.schema.get_type(name)
        return 0 if type_ is None else self._counted(selected, "__Type", type_)

    def _counted(self, selected: SelectionSetNode, meta: str, value: Any) -> int:
        try:
            return self._object(selected, self._meta[meta], value)
        except _Enough:
            return self._least

    def _object(self, selected: SelectionSetNode, meta: GraphQLNamedType, value: Any) -> int:
        # A field or an argument comes as a new pair of its name and itself.
        key = id(selected), id(value[1] if isinstance(value, tuple) else value)
        total = self._known.get(key)
        if total is None:
            plan = self._plans.get(id(selected)) or self._plan(selected, meta)
            total = plan.fields
            self._least += total
            if self._least > settings.MAX_COST:
                raise _Enough
            for inside, inner, found in plan.more:
                for item in found(value):
                    total += 1 if inside is None else self._object(inside, inner, item)
            self._known[key] = total = min(total, CAP)
        return total

    def _plan(self, selected: SelectionSetNode, meta: Any) -> "_Plan":
        """How to count these selections, all of which are on the same type."""
        self._plans[id(selected)] = plan = _Plan(0, [])
        for node in self._fields(selected):
            plan.fields += 1
            field = meta.fields.get(node.name.value)
            if field is not None and (node.selection_set is not None or is_list(field)):
                found = partial(_items, field, self._info, _asked(field, node))
                plan.more.append((node.selection_set, get_named_type(field.type), found))
        return plan

    def _fields(self, selected: SelectionSetNode) -> Iterator[FieldNode]:
        for selection in selected.selections:
            if isinstance(selection, FieldNode):
                yield selection
            else:
                spread: Any = selection
                named = isinstance(spread, FragmentSpreadNode)
                yield from self._fields((self._fragments[spread.name.value] if named else spread).selection_set)


class _Enough(Exception):
    """There are more fields already than a request may ask for."""


@dataclass
class _Plan:
    """How many fields are selected, and for those that hold more: the selections, their type, and how to find the items."""

    fields: int
    more: list[tuple[SelectionSetNode | None, GraphQLNamedType, Callable[[Any], Collection[Any]]]]


def is_list(field: GraphQLField) -> bool:
    """Whether the field holds a list."""
    return is_list_type(get_nullable_type(field.type))


def _asked(field: GraphQLField, node: FieldNode) -> dict[str, bool]:
    """Whether each argument that is given asks for what is deprecated too; one that is no literal could."""
    given = {one.name.value: one.value for one in node.arguments or () if one.name.value in field.args}
    return {name: not isinstance(value, BooleanValueNode) or value.value for name, value in given.items()}


def _items(field: GraphQLField, info: Any, asked: Mapping[str, bool], value: Any) -> Collection[Any]:
    """What the field holds."""
    assert field.resolve is not None
    found = field.resolve(value, info, **asked)
    return () if found is None else found if is_list(field) else (found,)
