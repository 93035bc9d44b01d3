"""Counts the fields of introspection. The schema is known, so they are counted one by one, as they will be answered."""

from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSchema,
    SelectionNode,
    SelectionSetNode,
    get_named_type,
    get_nullable_type,
    is_list_type,
)

from schema.execution.document_limits import CAP


class Introspected:
    """Counts the selections of one document on the schema and its types.

    What is the same for a type wherever it appears is counted once. So counting takes no more steps than the answer has
    fields, and it ends as soon as these are more than a request may ask for.
    """

    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._fragments, self._info = fragments, SimpleNamespace(schema=schema)
        self._meta = {name: schema.type_map[name] for name in ("__Schema", "__Type")}
        self._known: dict[tuple[int, int], int] = {}

    def of_schema(self, selected: SelectionSetNode) -> int:
        """The fields that `__schema` answers with these selections."""
        return self._object(selected, self._meta["__Schema"], self._info.schema)

    def of_type(self, selected: SelectionSetNode, name: str) -> int:
        """The fields that `__type` answers for the type of this name; none if there is no such type."""
        type_ = self._info.schema.get_type(name)
        return 0 if type_ is None else self._object(selected, self._meta["__Type"], type_)

    def _object(self, selected: SelectionSetNode, meta: GraphQLNamedType, value: Any) -> int:
        # A field or an argument comes as a new pair of its name and itself.
        key = id(selected), id(value[1] if isinstance(value, tuple) else value)
        if key not in self._known:
            if len(self._known) > settings.MAX_COST:
                return CAP
            self._known[key] = self._selections(selected.selections, meta, value)
        return self._known[key]

    def _selections(self, selections: Iterable[SelectionNode], meta: GraphQLNamedType, value: Any) -> int:
        total = 0
        for selection in selections:
            if isinstance(selection, FieldNode):
                total += self._field(selection, meta, value)
            else:
                total += self._object(self._inside(selection), meta, value)
        return min(total, CAP)

    def _inside(self, spread: Any) -> SelectionSetNode:
        fragment = self._fragments[spread.name.value] if isinstance(spread, FragmentSpreadNode) else spread
        selected: SelectionSetNode = fragment.selection_set
        return selected

    def _field(self, node: FieldNode, meta: Any, value: Any) -> int:
        field = meta.fields.get(node.name.value)
        listed = field is not None and is_list_type(get_nullable_type(field.type))
        if not listed and node.selection_set is None:
            return 1
        everything = dict.fromkeys(field.args, True)  # each argument asks for what is deprecated too
        found = field.resolve(value, self._info, **everything)
        items = () if found is None else found if listed else (found,)
        if node.selection_set is None:
            return 1 + len(items)
        inside = get_named_type(field.type)
        return min(1 + sum(self._object(node.selection_set, inside, item) for item in items), CAP)
