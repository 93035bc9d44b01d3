"""Makes a document smaller, step by step, as long as something holds of it."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    IntValueNode,
    Node,
    OperationDefinitionNode,
    VariableNode,
    parse,
    parse_value,
    print_ast,
)

from tests.schema.reads.documents import Asked, is_valid
from tests.schema.reads.shapes import literal

Step = Callable[[], None]


def shrunk(asked: Asked, holds: Callable[[Asked], bool], most: int = 600) -> Asked:
    """The smallest request found of which it holds, after so many trials at most."""
    valid, tried = is_valid(asked.query), 0
    smaller = True
    while smaller and tried < most:
        smaller = False
        for one in smaller_than(asked):
            if valid and not is_valid(one.query):
                continue
            tried += 1
            if holds(one):
                asked, smaller = one, True
                break
            if tried >= most:
                break
    return asked


def smaller_than(asked: Asked) -> Iterator[Asked]:
    """The request with one thing less each."""
    try:
        document = parse(asked.query)
    except GraphQLError:
        return
    for number in range(sum(1 for _ in _steps(document, asked))):
        changed = copy.deepcopy(document)
        given = Asked("", dict(asked.variables), asked.viewer, asked.operation)
        for at, step in enumerate(_steps(changed, given)):
            if at == number:
                step()
                break
        _without_unused(changed, given)
        given.query = print_ast(changed)
        if given.query != print_ast(document) or given.operation != asked.operation:
            yield given


def _nodes(node: Node) -> Iterator[Node]:
    """The node and all that is within, the outer ones first."""
    waiting: list[Any] = [node]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, Node):
            yield one
            waiting += [getattr(one, key) for key in one.keys if key != "loc"]
        elif isinstance(one, list | tuple):
            waiting += one


def _steps(document: DocumentNode, asked: Asked) -> Iterator[Step]:
    """Each of these takes one thing away from the document."""
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    if len(operations := [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]) > 1:
        for one in operations:
            yield lambda one=one: _alone(document, one, asked)  # type: ignore[misc]
    for node in list(_nodes(document)):
        for key in ("selections", "arguments", "directives", "values", "fields", "variable_definitions"):
            held = getattr(node, key, None) or ()
            if not held or (key == "selections" and len(held) == 1):
                continue
            for one in held:
                yield lambda node=node, key=key, one=one: _take(node, key, one)  # type: ignore[misc]
        if isinstance(node, IntValueNode) and node.value not in ("0", "1"):
            yield lambda node=node: _set(node, "value", "1")  # type: ignore[misc]
        if isinstance(node, FieldNode) and node.alias is not None:
            yield lambda node=node: _set(node, "alias", None)  # type: ignore[misc]
        for one in getattr(node, "selections", None) or ():
            if isinstance(one, InlineFragmentNode):
                yield lambda node=node, one=one: _put(node, "selections", one, one.selection_set.selections)  # type: ignore[misc]
            if isinstance(one, FragmentSpreadNode) and one.name.value in fragments:
                yield lambda node=node, one=one: _put(node, "selections", one, [_inline(fragments, one)])  # type: ignore[misc]
    for node in list(_nodes(document)):
        if isinstance(getattr(node, "value", None), VariableNode):
            name = node.value.name.value  # type: ignore[attr-defined]
            if name in asked.variables:
                yield lambda node=node, name=name: _spell(node, asked.variables[name])  # type: ignore[misc]


def _set(node: Any, key: str, value: Any) -> None:
    object.__setattr__(node, key, value)  # nodes are frozen


def _take(node: Any, key: str, one: Any) -> None:
    _set(node, key, tuple(other for other in getattr(node, key) if other is not one))


def _put(node: Any, key: str, one: Any, instead: Any) -> None:
    held = getattr(node, key)
    _set(node, key, tuple(new for other in held for new in (instead if other is one else (other,))))


def _alone(document: DocumentNode, one: OperationDefinitionNode, asked: Asked) -> None:
    others = [
        other for other in document.definitions if isinstance(other, OperationDefinitionNode) and other is not one
    ]
    _set(document, "definitions", tuple(other for other in document.definitions if other not in others))
    asked.operation = None


def _inline(fragments: dict[str, FragmentDefinitionNode], spread: FragmentSpreadNode) -> InlineFragmentNode:
    named = fragments[spread.name.value]
    return InlineFragmentNode(
        type_condition=named.type_condition,
        directives=spread.directives,
        selection_set=copy.deepcopy(named.selection_set),
    )


def _spell(node: Any, value: Any) -> None:
    try:
        _set(node, "value", parse_value(literal(value, node.name.value)))
    except GraphQLError:
        return


def _without_unused(document: DocumentNode, asked: Asked) -> None:
    """Drop fragments and variables that nothing uses any more."""
    while True:
        spread = {one.name.value for one in _nodes(document) if isinstance(one, FragmentSpreadNode)}
        kept = tuple(
            one
            for one in document.definitions
            if not isinstance(one, FragmentDefinitionNode) or one.name.value in spread
        )
        if len(kept) == len(document.definitions):
            break
        _set(document, "definitions", kept)
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            definitions = operation.variable_definitions or ()
            declared = {id(one.variable) for one in definitions}
            names = {
                one.name.value for one in _nodes(document) if isinstance(one, VariableNode) and id(one) not in declared
            }
            used = tuple(one for one in definitions if one.variable.name.value in names)
            _set(operation, "variable_definitions", used)
            if len([one for one in document.definitions if isinstance(one, OperationDefinitionNode)]) == 1:
                asked.variables = {name: value for name, value in asked.variables.items() if name in names}
