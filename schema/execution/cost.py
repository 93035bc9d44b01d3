"""The cost of an operation, known before execution: how many fields its answer has, by the page sizes and lists asked for.

A field counts 1, or its entry in `WEIGHTS`. What is within a page counts once for each item that is asked for. A list without
pages counts twice over, because most hold far less than they can: `Cost.asked` takes it to be of usual length, `Cost.most` as
long as it declares that it can be (`nodes.at_most`). No answer has more fields than `most`; one that turns out to have more than
`asked` is charged for them, and is broken off at `MAX_COST` (`executor`). Introspection is counted field by field
(`introspection`). What `@skip` and `@include` leave out counts too. Each fragment is summed once, so the time is linear in the
size of the document.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

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
from schema.nodes import MAX_ITEMS

LISTED = 10
"""The usual length of lists without pages, such as the chapters of a story."""

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


class Cost(NamedTuple):
    """How many fields the answer to an operation has."""

    asked: int
    """If no list without pages is longer than usual."""
    most: int
    """If each list is as long as it can be."""


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
        first = self._sum({}, Introspected(schema, self._fragments), usual=True)
        self._sizing = sorted(first.sizing)
        self.hashes = first.hashes
        """Whether it hashes a password. How many do so at once has a limit of its own."""
        self._known: dict[tuple[int | str, ...], Cost] = {}

    def of(self, variables: Mapping[str, Any]) -> Cost:
        """The cost with these variables, as coerced for execution."""
        sizes = {name: self._size(variables.get(name)) for name in self._sizing}
        key = tuple(sizes.values())
        if key not in self._known:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            introspected = Introspected(self._schema, self._fragments)  # counts the same for both
            asked = self._sum(sizes, introspected, usual=True).total
            self._known[key] = Cost(asked, self._sum(sizes, introspected, usual=False).total)
        return self._known[key]

    def _size(self, value: Any) -> int | str:
        if isinstance(value, str):
            return value if value in self._schema.type_map else ""  # any other name need not be kept
        if isinstance(value, list):
            return len(value)
        return DEFAULT_SIZE if value is None else _page(value)

    def _sum(self, sizes: Sizes, introspected: Introspected, *, usual: bool) -> "_Sum":
        found = _Sum(self._schema, self._fragments, sizes, introspected, usual=usual)
        found.total = found.of(self._operation.selection_set.selections, self._root, DEFAULT_SIZE)
        return found


class _Sum:
    """One computation for an operation."""

    total = 0

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        sizes: Sizes,
        introspected: Introspected,
        *,
        usual: bool,
    ) -> None:
        self._schema, self._fragments, self._sizes, self._usual = schema, fragments, sizes, usual
        self._introspected = introspected
        self._known: dict[tuple[str, int], int] = {}
        self.sizing: set[str] = set()
        """The variables that page sizes, id lists or types depend on."""
        self.hashes = False

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
            return 1  # __typename
        own = self._own(f"{parent.name}.{name}", parent)
        items = self._items(node, definition, parent, page)
        if node.selection_set is None:
            return own if self._usual or not is_list(definition) else own + items
        size = self._asked(node, PAGES) if definition.args.keys() & {*PAGES} else DEFAULT_SIZE
        inside = get_named_type(definition.type)
        return min(own + items * self.of(node.selection_set.selections, inside, size), CAP)

    def _own(self, field: str, parent: GraphQLNamedType) -> int:
        self.hashes = self.hashes or field in WEIGHTS
        return WEIGHTS.get(field, MUTATION if parent is self._schema.mutation_type else 1)

    def _items(self, node: FieldNode, definition: GraphQLField, parent: GraphQLNamedType, page: int) -> int:
        """How many items it can hold; 1 if it is no list."""
        if not is_list(definition):
            return 1
        if definition.args.keys() & {*IDS}:
            return self._asked(node, IDS)
        if _is_edges(parent, node.name.value):
            return page
        most = _most(definition)
        assert most is not None, "require_lengths has looked"
        return min(most, LISTED) if self._usual else most

    def _introspection(self, node: FieldNode) -> int:
        assert node.selection_set is not None
        if node.name.value == "__schema":
            return 1 + self._introspected.of_schema(node.selection_set)
        name = self._value((node.arguments or ())[0].value)
        return 1 + (self._introspected.of_type(node.selection_set, name) if isinstance(name, str) else 0)

    def _asked(self, node: FieldNode, names: Iterable[str]) -> int:
        """How many items these arguments ask for."""
        values = [self._value(argument.value) for argument in node.arguments or () if argument.name.value in names]
        return max((value for value in values if isinstance(value, int)), default=DEFAULT_SIZE)

    def _value(self, value: ValueNode) -> int | str:
        if isinstance(value, VariableNode):
            self.sizing.add(value.name.value)
            return self._sizes.get(value.name.value, DEFAULT_SIZE)
        return _literal(value)


def _is_edges(parent: GraphQLNamedType, name: str) -> bool:
    """Whether this field holds the items of a page."""
    return parent.name.endswith("Connection") and name == "edges"


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
