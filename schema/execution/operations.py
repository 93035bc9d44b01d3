"""The operations of a document, and what they select for the values of their variables."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

from django.conf import settings
from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    OperationDefinitionNode,
    OperationType,
    Undefined,
    is_non_null_type,
)
from graphql.execution.collect_fields import FieldDetails, FragmentDetails, collect_fields, collect_subfields
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource, get_variable_values
from graphql.utilities import coerce_input_value
from graphql.utilities.coerce_input_value import coerce_default_value

from schema.execution.cost import Costs
from schema.execution.document_limits import exceeded
from schema.execution.errors import BAD_USER_INPUT, LIMIT_EXCEEDED, RequestError
from schema.execution.fields import NO_VARIABLES, Arguments, declared, is_planned
from schema.execution.graphql_schema import GRAPHQL
from schema.execution.sites import Sites
from schema.execution.values import invalid_values

MAX_ERRORS = 5
"""The maximum number of errors in the variables that are told; each quotes a value."""
NO_CHOICE = "Variable '${}' has invalid value: @skip and @include need true or false, not null."
MAX_REMEMBERED = 16
"""For how many values of the variables that leave fields out the root fields are remembered."""
MAX_SELECTED = 100_000
"""How many selected fields of mutations are remembered in all: each takes about half a kilobyte."""
CHARACTERS_A_FIELD = 5
"""How many characters of a document take as much memory as a field. A tree keeps its document."""
TYPENAME = "__typename"

Details = Sequence[FieldDetails]


class Roots(NamedTuple):
    """The selected root fields, by response name."""

    names: Sequence[str]
    planned: Sequence[str]
    """Those that a statement answers. The rest is executed in Python."""


class Operation:
    """An operation of a validated document."""

    def __init__(self, document: DocumentNode, node: OperationDefinitionNode, sites: Sites) -> None:
        self.node, self.sites = node, sites
        self.name = node.name.value if node.name else None
        self.is_query = node.operation is OperationType.QUERY
        self.is_subscription = node.operation is OperationType.SUBSCRIPTION
        self.costs = Costs(GRAPHQL, document, node)
        definitions = [one for one in document.definitions if isinstance(one, FragmentDefinitionNode)]
        self.fragments = {one.name.value: FragmentDetails(one, None) for one in definitions}
        self._roots: dict[tuple[Any, ...], Roots] = {}
        self._signatures: Any = [get_variable_signature(GRAPHQL, one) for one in node.variable_definitions or ()]
        """What each variable is; the document is valid, so none is an error."""

    def values(self, sent: Mapping[str, Any]) -> VariableValues:
        """The values of its variables, coerced. Raises `RequestError` for bad ones."""
        if not self._signatures:
            return NO_VARIABLES
        try:
            found = self._coerced(sent)
        except GraphQLError:
            raise RequestError(self._invalid(sent), BAD_USER_INPUT) from None
        self._require_choices(found.coerced)
        return found

    def _coerced(self, sent: Mapping[str, Any]) -> VariableValues:
        """The values of its variables. Raises `GraphQLError` if one does not fit."""
        found = VariableValues({}, {})
        for one in self._signatures:
            value = sent.get(one.name, Undefined)
            found.sources[one.name] = VariableValueSource(one, value)
            if value is not Undefined:
                value = coerce_input_value(value, one.type)
            elif one.default is not None:
                value = coerce_default_value(one)
            elif not is_non_null_type(one.type):
                continue
            if value is Undefined:
                raise GraphQLError(f"The value of ${one.name} does not fit.")
            found.coerced[one.name] = value
        return found

    def _invalid(self, sent: Mapping[str, Any]) -> list[GraphQLError]:
        """What is wrong with the values of variables that do not fit."""
        errors = invalid_values(GRAPHQL, self.node, sent, MAX_ERRORS)
        if errors:
            return errors
        found: Any = get_variable_values(
            GRAPHQL, self.node.variable_definitions or (), dict(sent), hide_suggestions=True
        )
        return found

    def _require_choices(self, values: Mapping[str, Any]) -> None:
        """Raise `RequestError` if a variable that leaves fields out is null, which one with a default may be."""
        nulls = [name for name in self.sites.leaving_out if values.get(name) is None]
        if nulls:
            nodes = {one.variable.name.value: one for one in self.node.variable_definitions or ()}
            errors = [GraphQLError(NO_CHOICE.format(name), nodes[name]) for name in nulls[:MAX_ERRORS]]
            raise RequestError(errors, BAD_USER_INPUT)

    def cost(self, values: Mapping[str, Any], a_minute: int) -> int:
        """What it costs. Raises `RequestError` if no request may cost as much, however long one waits."""
        cost, most = self.costs.of(values), settings.MAX_COST
        if a_minute:
            most = min(most, a_minute)
        if cost > most:
            error = exceeded("cost", "fields in the answer that this can have", cost, most)
            raise RequestError([error], LIMIT_EXCEEDED)
        return cost

    def roots(self, selection: "Selection") -> Roots:
        """Its root fields, without those that are left out."""
        key = self.sites.left_out(selection.values.coerced)
        roots = self._roots.get(key)
        if roots is None:
            if len(self._roots) >= MAX_REMEMBERED:
                self._roots.clear()
            names = selection.root()
            fields: Any = GRAPHQL.query_type and GRAPHQL.query_type.fields
            planned = [name for name, one in names.items() if is_planned(fields.get(one[0].node.name.value))]
            roots = self._roots[key] = Roots(tuple(names), tuple(planned))
        return roots

    def selected(self, selection: "Selection") -> "list[Selected]":
        """The root fields of a mutation, with what is selected below them."""
        tree = TREES.of(self, self.sites.left_out(selection.values.coerced))
        if tree.roots is None:
            assert GRAPHQL.mutation_type is not None
            tree.roots = tree.selected(GRAPHQL.mutation_type, selection.root())
        return tree.roots


class Selection(NamedTuple):
    """What an operation selects, with the values of its variables."""

    operation: Operation
    values: VariableValues

    def root(self) -> Mapping[str, Details]:
        """The root fields, by response name."""
        node = self.operation.node
        root: Any = GRAPHQL.get_root_type(node.operation)
        return collect_fields(GRAPHQL, self.operation.fragments, self.values, root, node).grouped_field_set

    def below(self, type_: GraphQLObjectType, details: Details) -> Mapping[str, Details]:
        """The fields of a type that are selected below a field, by response name."""
        fragments, node = self.operation.fragments, self.operation.node
        return collect_subfields(GRAPHQL, fragments, self.values, node, type_, list(details)).grouped_field_set


class Tree:
    """What a mutation selects for some values of the variables that leave fields out, as far as it was asked for."""

    __slots__ = ("fields", "is_kept", "roots")

    def __init__(self, fields: int) -> None:
        self.fields = fields
        """How many fields it has, with what its document takes."""
        self.is_kept = True
        self.roots: list[Selected] | None = None

    def selected(self, type_: GraphQLObjectType, fields: Mapping[str, Details]) -> "list[Selected]":
        """These fields of a type, as a new part of it."""
        TREES.grown(self, len(fields))
        return [Selected(self, type_, name, details) for name, details in fields.items()]


class Selected:
    """A field that a mutation selects in objects of one type, and what it selects below it: worked out once."""

    __slots__ = ("_arguments", "_below", "_tree", "definition", "details", "field", "name", "nodes", "owner", "read")

    def __init__(self, tree: Tree, owner: GraphQLObjectType, name: str, details: Details) -> None:
        self._tree, self.owner, self.name, self.details = tree, owner, name, details
        self.nodes = [one.node for one in details]
        self.field = self.nodes[0].name.value
        self.definition = None if self.field == TYPENAME else owner.fields[self.field]
        """None for `__typename`."""
        self.read = None if self.definition is None else _reader(self.definition)
        """Takes its value from an object that is no row."""
        self._below: dict[str, list[Selected]] = {}
        self._arguments: Arguments | None = None

    def arguments(self, values: VariableValues) -> dict[str, Any]:
        """The values of its arguments. Raises `GraphQLError` for what does not fit."""
        assert self.definition is not None
        if self._arguments is None:
            self._arguments = Arguments(self.definition, self.nodes[0])
        return self._arguments.values(values)

    def below(self, selection: Selection, type_: GraphQLObjectType) -> "list[Selected]":
        """The fields that are selected of its value, which is of this type. The same for all selections that share this."""
        found = self._below.get(type_.name)
        if found is None:
            found = self._below[type_.name] = self._tree.selected(type_, selection.below(type_, self.details))
        return found


class Trees:
    """The trees that are remembered; those that were not used for longest make room."""

    def __init__(self) -> None:
        self._trees: OrderedDict[tuple[Operation, tuple[Any, ...]], Tree] = OrderedDict()
        self.fields = 0
        """Of all of them."""
        self._lock = threading.Lock()

    def of(self, operation: Operation, left_out: tuple[Any, ...]) -> Tree:
        """The tree of an operation for these values; a new one if none is remembered."""
        key = (operation, left_out)
        with self._lock:
            found = self._trees.get(key)
            if found is None:
                found = self._trees[key] = Tree(operation.sites.characters // CHARACTERS_A_FIELD)
                self.fields += found.fields
            self._trees.move_to_end(key)
            return found

    def grown(self, tree: Tree, fields: int) -> None:
        """Count new fields of a tree."""
        with self._lock:
            if tree.is_kept:
                tree.fields += fields
                self.fields += fields
            while self.fields > MAX_SELECTED:
                _, gone = self._trees.popitem(last=False)
                gone.is_kept = False
                self.fields -= gone.fields


TREES: Final = Trees()
"""Those of this process."""


def _reader(definition: GraphQLField) -> Callable[[Any], Any]:
    field = declared(definition)
    return attrgetter(field.python_name) if field.base_resolver is None else field.base_resolver.wrapped_func
