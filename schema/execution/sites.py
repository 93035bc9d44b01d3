"""The fields of an operation that have arguments, and the variables that leave fields out: what its statement depends on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    TypeInfo,
    TypeInfoVisitor,
    VariableNode,
    Visitor,
    visit,
)

from backend.sources import Bound
from schema.execution.fields import NO_VARIABLES, bound, holds_variables
from schema.execution.graphql_schema import GRAPHQL


@dataclass(frozen=True)
class Site:
    """A field with arguments."""

    owner: str
    definition: GraphQLField
    node: FieldNode


class Sites:
    """The fields of an operation that have arguments, and the variables that leave fields out.

    It is part of the keys of plans, beside ids of the document's nodes. These are of no other nodes as long as it keeps them.
    """

    def __init__(self, document: DocumentNode, definitions: "Iterable[_Collector]") -> None:
        self.document = document
        """Kept as long as a plan is, because a plan knows the document's parts by their places in memory."""
        self.characters = len(document.loc.source.body) if document.loc else 0
        self.varying: dict[int, Site] = {}
        """Those whose arguments have variables."""
        self.constant: dict[int, Bound | Exception] = {}
        """The sources of the others, or what refuses them."""
        leaving_out: set[str] = set()
        for one in definitions:
            self.varying |= one.varying
            self.constant |= one.constant
            leaving_out |= one.leaving_out
        self.leaving_out = tuple(sorted(leaving_out))
        """The variables that leave fields out."""

    def __len__(self) -> int:
        return len(self.varying) + len(self.constant)

    def left_out(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """The values of the variables that leave fields out."""
        return tuple(map(values.get, self.leaving_out))


def sites_of(document: DocumentNode) -> list[Sites]:
    """The sites of each operation, in their order: those in it and in the fragments that it spreads.

    A variable of the same name may have another type in another operation, so what is there must not be bound.
    """
    operations: list[_Collector] = []
    fragments: dict[str, _Collector] = {}
    for node in document.definitions:
        info = TypeInfo(GRAPHQL)
        collector = _Collector(info)
        visit(node, TypeInfoVisitor(info, collector))
        if isinstance(node, FragmentDefinitionNode):
            fragments[node.name.value] = collector
        else:
            operations.append(collector)
    return [Sites(document, _with_fragments(one, fragments)) for one in operations]


def _with_fragments(operation: "_Collector", fragments: "Mapping[str, _Collector]") -> "Iterable[_Collector]":
    found: dict[str, None] = dict.fromkeys(operation.spread)
    unseen = list(found)
    while unseen:
        more = [name for name in fragments[unseen.pop()].spread if name not in found]
        found |= dict.fromkeys(more)
        unseen += more
    return [operation, *(fragments[name] for name in found)]


class _Collector(Visitor):
    """What is in one definition."""

    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self._info = info
        self.varying: dict[int, Site] = {}
        self.constant: dict[int, Bound | Exception] = {}
        self.leaving_out: set[str] = set()
        self.spread: list[str] = []
        """The fragments that it spreads, by name."""

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        definition, owner = self._info.get_field_def(), self._info.get_parent_type()
        if definition is None or owner is None or not definition.args or "__" in (node.name.value[:2], owner.name[:2]):
            return
        if owner.name not in ("Mutation", "Subscription") and not owner.name.startswith("__"):
            if holds_variables(node.arguments or ()):
                self.varying[id(node)] = Site(owner.name, definition, node)
            else:
                self.constant[id(node)] = bound(owner.name, definition, node, NO_VARIABLES)

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
        self.spread.append(node.name.value)

    def enter_directive(self, node: Any, *_: Any) -> None:
        self.leaving_out |= {one.value.name.value for one in node.arguments if isinstance(one.value, VariableNode)}
