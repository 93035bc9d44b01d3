"""Which source each field of the contract has, and its source with the values of its arguments."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from graphql import FieldNode, GraphQLError, GraphQLField, Node, VariableNode, Visitor, visit
from graphql.execution.values import VariableValues, get_argument_values
from strawberry_django.utils.typing import get_django_definition

from backend.engine.errors import Refusal
from backend.engine.text import normalize
from backend.pages import tag_of
from backend.sources import Bound, Page, Source, Value
from schema.nodes import SOURCE, TEXTS, window
from schema.root import schema

NO_VARIABLES = VariableValues({}, {})


def declared(definition: GraphQLField) -> Any:
    """Strawberry's declaration of the field."""
    return definition.extensions["strawberry-definition"]


def is_planned(definition: GraphQLField | None) -> bool:
    """Whether a root field is answered by a plan. `__typename` and introspection are not."""
    known = None if definition is None else definition.extensions.get("strawberry-definition")
    return known is not None and SOURCE in known.metadata


def bound(owner: str, definition: GraphQLField, node: FieldNode, variables: VariableValues) -> "Bound | Exception":
    """The field's source, with the values of its arguments; what refuses them instead."""
    try:
        found = _bound(owner, definition, node, variables)
        if found.window is not None and isinstance(found.source, Page):
            found.window.require_list(tag_of(f"{owner}.{node.name.value}", found.source.at))
        return found
    except (Refusal, GraphQLError) as refused:
        return refused


def _bound(owner: str, definition: GraphQLField, node: FieldNode, variables: VariableValues) -> Bound:
    if not definition.args:
        return Bound(source_of(owner, definition))
    field = declared(definition)
    source: Source | None = field.metadata.get(SOURCE)
    is_text = owner == "Query" and (TEXTS in field.metadata or isinstance(source, Page))
    arguments = arguments_of(definition, node, variables, is_text=is_text)
    if isinstance(source, Page):
        return Bound(source, {}, window(**_of_page(arguments), by=source.by, oldest_first=source.oldest_first))
    return field.base_resolver.wrapped_func(None, **arguments)


def arguments_of(
    definition: GraphQLField, node: FieldNode, variables: VariableValues, *, is_text: bool
) -> dict[str, Any]:
    """The values of a field's arguments, as its resolver takes them. Where they are texts, these are normalised.

    Raises `GraphQLError` for what does not fit, and `Invalid` for a text that cannot be stored.
    """
    given: dict[str, Any] = get_argument_values(definition, node, variables)
    return normalize(given) if is_text else given


class Arguments:
    """The arguments of a field as a document gives them. Of those that hold no variable the values are worked out once."""

    def __init__(self, definition: GraphQLField, node: FieldNode) -> None:
        """Raises `GraphQLError` for what does not fit."""
        self._definition, self._node = definition, node
        given = {one.name.value: one.value for one in node.arguments or ()}
        named = {name: value for name, value in given.items() if isinstance(value, VariableNode)}
        args = definition.args
        self._variables = [(args[name].out_name or name, one.name.value) for name, one in named.items()]
        self._others: dict[str, Any] | None = None
        """The values of those that are no variables; None if one of them is made of variables and other values."""
        if not holds_variables([value for name, value in given.items() if name not in named]):
            others = {name: one for name, one in args.items() if name not in named}
            self._others = get_argument_values(GraphQLField(definition.type, others), node, NO_VARIABLES)

    def values(self, variables: VariableValues) -> dict[str, Any]:
        """All values, as the resolver takes them. Raises `GraphQLError` for what does not fit."""
        if self._others is None:
            return get_argument_values(self._definition, self._node, variables)
        found = dict(self._others)
        for name, variable in self._variables:
            value = variables.coerced.get(variable)
            if value is None:  # it is left out, or null, which not every argument may be
                return get_argument_values(self._definition, self._node, variables)
            found[name] = value
        return found


def holds_variables(nodes: Iterable[Node]) -> bool:
    """Whether there are variables in these parts of a document."""
    found: list[VariableNode] = []

    class Found(Visitor):
        def enter_variable(self, node: VariableNode, *_: Any) -> None:
            found.append(node)

    for node in nodes:
        visit(node, Found())
    return bool(found)


def source_of(owner: str, definition: GraphQLField) -> Source:
    """The source of a field without arguments: the column of its name, if it declares no other."""
    field = declared(definition)
    source: Source | None = field.metadata.get(SOURCE)
    return _column(owner, field.python_name) if source is None else source


def _of_page(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: arguments.get(name) for name in ("first", "after", "last", "before")}


@cache
def _column(owner: str, name: str) -> Value:
    model: Any = get_django_definition(schema._schema.type_map[owner].extensions["strawberry-definition"].origin)
    column = name if model is None else model.model._meta.get_field(name).column
    return Value(f'$row."{column}"')
