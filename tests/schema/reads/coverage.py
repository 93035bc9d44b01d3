"""Which fields of which types were in the answers, with something in them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    get_named_type,
    is_object_type,
    parse,
)

from schema.nodes import from_id
from schema.root import schema

TYPES: dict[str, Any] = schema._schema.type_map


def readable() -> set[str]:
    """Each field that a query can reach, as `Story.title`."""
    found: set[str] = set()
    waiting = ["Query"]
    while waiting:
        type_ = TYPES[waiting.pop()]
        for one in schema._schema.get_possible_types(type_) if not is_object_type(type_) else [type_]:
            for name, field in one.fields.items():
                if (said := f"{one.name}.{name}") not in found and said != "Query.health":
                    found.add(said)
                    inside = get_named_type(field.type)
                    waiting += [inside.name] if hasattr(inside, "fields") else []
    return found


class Coverage:
    """Counts them."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.fragments: Mapping[str, FragmentDefinitionNode] = {}

    def add(self, query: str, operation: str | None, data: Any) -> None:
        """Count what is in an answer."""
        try:
            document = parse(query)
        except GraphQLError:
            return
        self.fragments = {
            one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)
        }
        asked = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
        chosen = next((one for one in asked if operation is None or (one.name and one.name.value == operation)), None)
        if chosen is not None:
            self._walk(chosen.selection_set.selections, TYPES["Query"], data)

    def _walk(self, selections: Iterable[Any], type_: Any, value: Any) -> None:
        if isinstance(value, list):
            for one in value:
                self._walk(selections, type_, one)
        if not isinstance(value, dict):
            return
        if not is_object_type(type_):
            type_ = TYPES.get(self._runtime(selections, value) or "", type_)
        for node in self._flat(selections):
            name = node.name.value
            found = value.get((node.alias or node.name).value)
            if found is None or name.startswith("__") or not is_object_type(type_) or name not in type_.fields:
                continue
            self.seen[f"{type_.name}.{name}"] += 1
            if node.selection_set:
                self._walk(node.selection_set.selections, get_named_type(type_.fields[name].type), found)

    def _runtime(self, selections: Iterable[Any], value: dict[str, Any]) -> str | None:
        for node in self._flat(selections):
            found = value.get((node.alias or node.name).value)
            if node.name.value == "__typename" and isinstance(found, str):
                return found
            if node.name.value == "id" and isinstance(found, str) and (id_ := from_id(found)):
                return id_[0]
        return None

    def _flat(self, selections: Iterable[Any]) -> Iterable[FieldNode]:
        for one in selections:
            if isinstance(one, FieldNode):
                yield one
            elif isinstance(one, FragmentSpreadNode):
                yield from self._flat(self.fragments[one.name.value].selection_set.selections)
            else:
                yield from self._flat(one.selection_set.selections)
