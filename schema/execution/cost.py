"""The cost of an operation, known before execution: how many fields its answer can have.

A field counts 1, or its entry in `WEIGHTS`. What is within a page counts once for each item that is asked for, what is within a
list without pages once for each item that the list can hold (`nodes.at_most`). So no answer has more fields than its cost, and
the statement that makes it prints no more. Introspection is counted field by field (`introspection`). What `@skip` and
`@include` leave out counts too. Each fragment is summed once, so the time is linear in the size of the document.

The characters of the long texts in the answer are summed in the same way, each text taken to be as long as it can be (`texts`).
Only where they could be too many does the statement look how long the texts are, before it prints any.
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
    StringValueNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_input_type,
    is_introspection_type,
    is_object_type,
)

from backend.pages import DEFAULT_SIZE, MAX_PAGE_SIZE
from schema.execution.document_limits import CAP
from schema.execution.introspection import Introspected, is_list
from schema.execution.texts import longest
from schema.nodes import MAX_ITEMS

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

INTROSPECTION = ("__schema", "__type")

MAX_REMEMBERED = 100

Sizes = Mapping[str, int | str]
"""By variable: a page size, the length of a list of ids, or the name of a type."""


def require_lengths(schema: GraphQLSchema) -> None:
    """Raise TypeError for a list that does not say how many items it can hold: its cost could not be known."""
    for type_ in schema.type_map.values():
        if is_input_type(type_) or is_introspection_type(type_):
            continue
        for name, field in getattr(type_, "fields", {}).items():
            asked = _is_edges(type_, name) or field.args.keys() & {*IDS}
            if is_list(field) and not asked and _most(field) is None:
                what = f"{type_.name}.{name} is a list"
                raise TypeError(f"{what}: say how many items it can hold (schema/nodes.py, at_most).")


class Costs:
    """Computes the cost of one operation for given variables."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> None:
        self._schema, self._operation = schema, operation
        self._root = schema.get_root_type(operation.operation)
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        first = self._summed({})
        self._sizing = sorted(first.sizing)
        self.hashing = first.hashing
        """What hashing passwords costs of it. How many do so at once has a limit of its own."""
        self._known: dict[tuple[int | str, ...], tuple[int, int]] = {}

    def of(self, variables: Mapping[str, Any]) -> int:
        """The cost with these variables, as coerced for execution."""
        return self._both(variables)[0]

    def characters(self, variables: Mapping[str, Any]) -> int:
        """How many characters the long texts in the answer can have."""
        return self._both(variables)[1]

    def _both(self, variables: Mapping[str, Any]) -> tuple[int, int]:
        sizes = {name: self._size(variables.get(name)) for name in self._sizing}
        key = tuple(sizes.values())
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            known = self._known[key] = (self._summed(sizes).total, self._summed(sizes, _Characters).total)
        return known

    def _size(self, value: Any) -> int | str:
        if isinstance(value, str):
            return value if value in self._schema.type_map else ""  # any other name need not be kept
        if isinstance(value, list):
            return len(value)
        return DEFAULT_SIZE if value is None else _page(value)

    def _summed(self, sizes: Sizes, kind: "type[_Sum] | None" = None) -> "_Sum":
        found = (kind or _Sum)(self._schema, self._fragments, sizes)
        found.total = found.of(self._operation.selection_set.selections, self._root, DEFAULT_SIZE)
        return found


class _Sum:
    """One computation for an operation."""

    total = 0
    _typename = 1

    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], sizes: Sizes) -> None:
        self._schema, self._fragments, self._sizes = schema, fragments, sizes
        self._known: dict[tuple[str, int], int] = {}
        self._counts: Introspected | None = None
        self.sizing: set[str] = set()
        """The variables that page sizes, id lists or types depend on."""
        self.hashing = 0

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
        if name in INTROSPECTION:
            return self._introspection(node)
        definition: GraphQLField | None = getattr(parent, "fields", {}).get(name)
        if definition is None or parent is None:
            return self._typename
        items = self._items(node, definition, parent, page)
        if node.selection_set is None:
            return self._leaf(parent, name, items if is_list(definition) else 0)
        own = self._own(f"{parent.name}.{name}", parent)
        size = self._asked(node, PAGES, definition) if definition.args.keys() & {*PAGES} else DEFAULT_SIZE
        inside = get_named_type(definition.type)
        return min(own + items * self.of(node.selection_set.selections, inside, size), CAP)

    def _leaf(self, parent: GraphQLNamedType, name: str, items: int) -> int:
        """What a field without fields of its own counts; `items` is how many values it can hold if it is a list."""
        return self._own(f"{parent.name}.{name}", parent) + items

    def _own(self, field: str, parent: GraphQLNamedType) -> int:
        self.hashing += WEIGHTS.get(field, 0)
        return WEIGHTS.get(field, MUTATION if parent is self._schema.mutation_type else 1)

    def _items(self, node: FieldNode, definition: GraphQLField, parent: GraphQLNamedType, page: int) -> int:
        """How many items it can hold; 1 if it is no list."""
        if not is_list(definition):
            return 1
        if definition.args.keys() & {*IDS}:
            return self._asked(node, IDS, definition)
        if _is_edges(parent, node.name.value):
            return page
        most = _most(definition)
        assert most is not None, "require_lengths has looked"
        return most

    def _introspection(self, node: FieldNode) -> int:
        assert node.selection_set is not None
        if node.name.value == "__schema":
            return 1 + self._introspected().of_schema(node.selection_set)
        name = self._value((node.arguments or ())[0].value)
        return 1 + (self._introspected().of_type(node.selection_set, name) if isinstance(name, str) else 0)

    def _introspected(self) -> Introspected:
        self._counts = self._counts or Introspected(self._schema, self._fragments)
        return self._counts

    def _asked(self, node: FieldNode, names: Iterable[str], definition: GraphQLField) -> int:
        """How many items these arguments ask for."""
        values = [self._value(argument.value) for argument in node.arguments or () if argument.name.value in names]
        asked = [value for value in values if isinstance(value, int)]
        defaults = (one.default_value for name, one in definition.args.items() if name in names)
        return max(asked or [DEFAULT_SIZE, *(one for one in defaults if isinstance(one, int))])

    def _value(self, value: ValueNode) -> int | str:
        if isinstance(value, VariableNode):
            self.sizing.add(value.name.value)
            return self._sizes.get(value.name.value, DEFAULT_SIZE)
        return _literal(value)


class _Characters(_Sum):
    """The same of the characters of long texts. Those of introspection are bounded by its fields."""

    _typename = 0

    def _leaf(self, parent: GraphQLNamedType, name: str, items: int) -> int:  # noqa: ARG002
        return longest(self._schema, parent.name, name)

    def _own(self, field: str, parent: GraphQLNamedType) -> int:  # noqa: ARG002
        return 0

    def _introspection(self, node: FieldNode) -> int:  # noqa: ARG002
        return 0


def _is_edges(parent: GraphQLNamedType, name: str) -> bool:
    """Whether this field holds the items of a page."""
    return (parent.name.endswith("Connection") and name == "edges") or (parent.name, name) == ("ChangePage", "changes")


def _most(field: GraphQLField) -> int | None:
    """How many items a list declares that it can hold."""
    most: int | None = field.extensions["strawberry-definition"].metadata.get(MAX_ITEMS)
    return most


def _literal(value: ValueNode) -> int | str:
    if isinstance(value, IntValueNode):
        return _page(int(value.value[:12]))
    if isinstance(value, ListValueNode):
        return len(value.values)
    return value.value if isinstance(value, StringValueNode) else DEFAULT_SIZE


def _page(size: int) -> int:
    """The page size within the allowed range; other sizes are refused at execution."""
    return max(0, min(size, MAX_PAGE_SIZE))
