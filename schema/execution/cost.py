"""The cost of an operation: how many fields its answer can have, by the page sizes and lists that it asks for.

A field counts 1, or its entry in `WEIGHTS`. Fields within a list count once for each possible item. So the cost is known
before execution. Each fragment is summed once, so the time is linear in the size of the document.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_list_type,
    is_object_type,
)

from backend.pages import DEFAULT_SIZE, MAX_PAGE_SIZE
from schema.execution.document_limits import CAP

LISTED = 10
"""The assumed length of lists without pagination, such as the chapters of a story."""

MUTATION = 20
"""The weight of a mutation, because it is a transaction."""

WEIGHTS = {
    **dict.fromkeys(("Mutation.signIn", "Mutation.signUp", "Mutation.deleteAccount"), 2_000),
    "Mutation.changePassword": 4_000,
}
"""The weights of expensive fields by type and field: hashing a password is slow on purpose."""

PAGES = ("first", "last")
IDS = ("ids", "people")
"""List arguments whose length limits the number of items."""

MAX_REMEMBERED = 100

Sizes = Mapping[str, int]


class Costs:
    """Computes the cost of one operation for given variables."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> None:
        self._schema, self._operation = schema, operation
        self._root = schema.get_root_type(operation.operation)
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._defaults = {one.variable.name.value: one.default_value for one in operation.variable_definitions or ()}
        self._sizing: set[str] = set()
        """The variables that page sizes or id lists depend on."""
        self._sum({})
        self._known: dict[tuple[int, ...], int] = {}

    def of(self, variables: Mapping[str, Any] | None) -> int:
        """The cost with these variables, whether or not they are valid."""
        given = variables or {}
        sizes = {name: self._size(name, given) for name in self._sizing}
        key = tuple(sizes.values())
        if key not in self._known:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            self._known[key] = cost = self._sum(sizes)
            return cost
        return self._known[key]

    def _size(self, name: str, given: Mapping[str, Any]) -> int:
        if name not in given and self._defaults.get(name) is not None:
            return _literal(self._defaults[name])
        value = given.get(name)
        if isinstance(value, list):
            return len(value)
        return _page(value) if isinstance(value, int) else DEFAULT_SIZE

    def _sum(self, sizes: Sizes) -> int:
        return _Sum(self._schema, self._fragments, sizes, self._sizing).of(
            self._operation.selection_set.selections, self._root, DEFAULT_SIZE
        )


class _Sum:
    """One computation for an operation."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        sizes: Sizes,
        sizing: set[str],
    ) -> None:
        self._schema, self._fragments, self._sizes, self._sizing = schema, fragments, sizes, sizing
        self._known: dict[tuple[str, int], int] = {}

    def of(self, selections: Iterable[SelectionNode], parent: GraphQLNamedType | None, page: int) -> int:
        """The cost of selections on `parent`; `page` is the number of items if it is a connection.

        An object has one type only. So of fragments on several object types, only the most expensive type counts.
        """
        shared, by_type = 0, {"": 0}
        for selection in selections:
            cost = self._one(selection, parent, page)
            only = self._only(selection, parent)
            if only is None:
                shared += cost
            else:
                by_type[only] = by_type.get(only, 0) + cost
        return min(shared + max(by_type.values()), CAP)

    def _only(self, selection: SelectionNode, parent: GraphQLNamedType | None) -> str | None:
        """The object type that a fragment is limited to; None without a type condition, or if it is the parent's or an
        interface.
        """
        node = self._fragments[selection.name.value] if isinstance(selection, FragmentSpreadNode) else selection
        condition = getattr(node, "type_condition", None)
        if condition is None or parent is None or condition.name.value == parent.name:
            return None
        name: str = condition.name.value
        return name if is_object_type(self._schema.get_type(name)) else None

    def _one(self, selection: SelectionNode, parent: GraphQLNamedType | None, page: int) -> int:
        if isinstance(selection, FragmentSpreadNode):
            return self._fragment(selection.name.value, page)
        if isinstance(selection, InlineFragmentNode):
            named = selection.type_condition
            inside = self._schema.get_type(named.name.value) if named else parent
            return self.of(selection.selection_set.selections, inside, page)
        assert isinstance(selection, FieldNode)
        return self._field(selection, parent, page)

    def _fragment(self, name: str, page: int) -> int:
        key = name, page
        if key not in self._known:
            fragment = self._fragments[name]
            inside = self._schema.get_type(fragment.type_condition.name.value)
            self._known[key] = self.of(fragment.selection_set.selections, inside, page)
        return self._known[key]

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None, page: int) -> int:
        name = node.name.value
        definition: GraphQLField | None = getattr(parent, "fields", {}).get(name)
        if definition is None or parent is None:
            return 1  # introspection, which has its own limits
        own = WEIGHTS.get(f"{parent.name}.{name}", MUTATION if parent is self._schema.mutation_type else 1)
        if node.selection_set is None:
            return own
        inside = get_named_type(definition.type)
        times, size = 1, DEFAULT_SIZE
        if any(argument in definition.args for argument in PAGES):
            size = self._asked(node, PAGES)
        elif any(argument in definition.args for argument in IDS):
            times = self._asked(node, IDS)
        elif is_list_type(get_nullable_type(definition.type)):
            times = page if parent.name.endswith("Connection") else LISTED
        return min(own + times * self.of(node.selection_set.selections, inside, size), CAP)

    def _asked(self, node: FieldNode, names: Iterable[str]) -> int:
        """How many items these arguments ask for."""
        values = [argument.value for argument in node.arguments or () if argument.name.value in names]
        return max((self._value(value) for value in values), default=DEFAULT_SIZE)

    def _value(self, value: ValueNode) -> int:
        if isinstance(value, VariableNode):
            self._sizing.add(value.name.value)
            return self._sizes.get(value.name.value, DEFAULT_SIZE)
        return _literal(value)


def _literal(value: ValueNode | None) -> int:
    if isinstance(value, IntValueNode):
        return _page(int(value.value[:12]))
    return len(value.values) if isinstance(value, ListValueNode) else DEFAULT_SIZE


def _page(size: int) -> int:
    """The page size within the allowed range; other sizes are refused at execution."""
    return max(0, min(size, MAX_PAGE_SIZE))
