"""Limits of documents, checked before validation, in time linear in the document's length.

This module limits size, nesting, aliases and the like (the settings `MAX_…`); `cost` limits the number of fields of the
answer, and `length` its characters. Each fragment is measured once, however often it is spread, and sums stop at a cap, so
nested spreads that expand exponentially cost no more time than their text.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django.conf import settings
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    VariableDefinitionNode,
)

NESTED = (dict, list)
"""The classes of values that hold others."""
CAP = 1_000_000_000
"""The cap of sums, above any limit."""

TYPES_OF_TYPES = frozenset({"fields", "inputFields", "interfaces", "possibleTypes"})
"""Introspection fields that lead from one type to many others."""
MAX_TYPES_OF_TYPES = 3
"""The maximum nesting of such fields. Tools need two."""
MAX_INTROSPECTION_LEVELS = 20
"""The maximum levels of an introspection query. Tools need 15."""
MAX_SCHEMAS = 2
"""How often a document may ask for `__schema`. Tools need it once."""


class Size(NamedTuple):
    """The size of a selection set, including the fragments that it spreads."""

    levels: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    roots: int = 0
    """Fields at its first level."""
    introspection: int = 0
    """Levels below `__schema` and `__type`, which are counted separately from `levels`."""
    types: int = 0
    """Nested levels of `TYPES_OF_TYPES`."""
    schemas: int = 0
    """Occurrences of `__schema`."""


def too_long(text: str) -> GraphQLError | None:
    """The error if the text of a document is too long to be parsed, or None."""
    if len(text) > settings.MAX_CHARACTERS:
        return exceeded("characters", "characters", len(text), settings.MAX_CHARACTERS)
    lines = text.count("\n") + text.count("\r") + 1
    return exceeded("lines", "lines", lines, settings.MAX_LINES) if lines > settings.MAX_LINES else None


def too_many_values(variables: Mapping[str, Any] | None) -> GraphQLError | None:
    """The error if there are too many values in the variables, or None."""
    found, most = 0, settings.MAX_VALUES
    unseen: list[Any] = [variables or {}]
    while unseen and found <= most:
        value = unseen.pop()
        found += len(value)
        inside = value.values() if isinstance(value, dict) else value
        unseen += [one for one in inside if isinstance(one, NESTED)]
    return exceeded("values", "values within the variables", found, most) if found > most else None


def too_large(document: DocumentNode) -> GraphQLError | None:
    """The error if the parsed document exceeds a limit, or None."""
    measuring = _Measuring(document)
    sizes = list(measuring.everything())
    most = Size(*(max(column) for column in zip(Size(), *sizes, strict=True)))
    name, repeats = max(measuring.repeats.items(), key=lambda item: item[1], default=("", 0))
    same, times = measuring.most_same
    limits = (
        ("operations", "operations", measuring.operations, settings.MAX_OPERATIONS),
        ("fragments", "fragments", measuring.fragments, settings.MAX_FRAGMENTS),
        ("variables", "variables", measuring.variables, settings.MAX_VARIABLES),
        ("depth", "levels of fields", most.levels, settings.MAX_DEPTH),
        ("fields", "fields", most.fields, settings.MAX_FIELDS),
        ("aliases", "aliases", most.aliases, settings.MAX_ALIASES),
        ("directives", "directives", most.directives, settings.MAX_DIRECTIVES),
        ("rootFields", "root fields", most.roots, settings.MAX_ROOT_FIELDS),
        ("repeats", f'fields called "{name}" that hold fields', repeats, settings.MAX_REPEATED_FIELDS),
        ("same", f'fields called "{same}" of one thing', times, settings.MAX_SAME_FIELDS),
        ("introspection", "fields `__schema`", most.schemas, MAX_SCHEMAS),
        ("introspection", "levels of introspection", most.introspection, MAX_INTROSPECTION_LEVELS),
        ("introspection", "levels of introspection from types to types", most.types, MAX_TYPES_OF_TYPES),
    )
    for limit, what, found, allowed in limits:
        if found > allowed:
            return exceeded(limit, what, found, allowed)
    return None


def exceeded(limit: str, what: str, found: int, most: int) -> GraphQLError:
    """The error for a limit, with the limit's name and the number found."""
    said = str(found) if found < CAP else f"{CAP} or more"
    facts = {"limit": limit, "most": most, "found": found}
    return GraphQLError(f"There are too many {what}: {said}, at most {most}.", extensions=facts)


class _Measuring:
    """Measures one document."""

    def __init__(self, document: DocumentNode) -> None:
        self._definitions = [
            node for node in document.definitions if isinstance(node, OperationDefinitionNode | FragmentDefinitionNode)
        ]
        self._fragments: Mapping[str, FragmentDefinitionNode] = {
            node.name.value: node for node in self._definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._sizes: dict[str, Size] = {}
        self.fragments = sum(isinstance(node, FragmentDefinitionNode) for node in self._definitions)
        self.operations = len(self._definitions) - self.fragments
        self.variables = max((len(_variables(node)) for node in self._definitions), default=0)
        self.most_same = ("", 0)
        """The most frequent response name within one selection set; validation compares all pairs of such fields."""
        self.repeats: Counter[str] = Counter()
        """How often each response name has subfields; validation compares all pairs of these."""

    def everything(self) -> Iterator[Size]:
        """The size of each operation and fragment, including directives on the definition."""
        for node in self._definitions:
            directives = len(node.directives or ())
            self._compared(node)
            if isinstance(node, FragmentDefinitionNode):
                size = self._fragment(node.name.value)._replace(levels=0)  # a fragment may be on introspection types
            else:
                size = self._of(node.selection_set.selections)
                directives += sum(len(one.directives or ()) for one in _variables(node))
            yield size._replace(directives=size.directives + directives)

    def _compared(self, owner: OperationDefinitionNode | FragmentDefinitionNode | FieldNode) -> None:
        """Count the response names of one selection set, including its inline fragments."""
        names: Counter[str] = Counter()
        groups = [owner.selection_set]
        while groups:
            group = groups.pop()
            for selection in group.selections if group else ():
                if isinstance(selection, FieldNode):
                    names[(selection.alias or selection.name).value] += 1
                elif isinstance(selection, InlineFragmentNode):
                    groups.append(selection.selection_set)
        self.most_same = max((self.most_same, *names.items()), key=lambda item: item[1])

    def _of(self, selections: Iterable[SelectionNode]) -> Size:
        levels = fields = aliases = directives = roots = introspection = types = schemas = 0
        for selection in selections:
            inner = self._one(selection)
            levels, types = max(levels, inner.levels), max(types, inner.types)
            introspection = max(introspection, inner.introspection)
            fields, aliases, roots = fields + inner.fields, aliases + inner.aliases, roots + inner.roots
            schemas = min(schemas + inner.schemas, CAP)
            directives += inner.directives + len(selection.directives or ())
        fields, aliases, directives, roots = (min(count, CAP) for count in (fields, aliases, directives, roots))
        return Size(levels, fields, aliases, directives, roots, introspection, types, schemas)

    def _one(self, selection: SelectionNode) -> Size:
        if isinstance(selection, FragmentSpreadNode):
            return self._fragment(selection.name.value)
        if isinstance(selection, InlineFragmentNode):
            return self._of(selection.selection_set.selections)
        assert isinstance(selection, FieldNode)
        size = Size()
        if selection.selection_set:
            self.repeats[(selection.alias or selection.name).value] += 1
            self._compared(selection)
            size = self._of(selection.selection_set.selections)
        introspects = selection.name.value in ("__schema", "__type")
        return Size(
            levels=1 if introspects else size.levels + 1,
            fields=size.fields + 1,
            aliases=size.aliases + (selection.alias is not None),
            directives=size.directives,
            roots=1,
            introspection=size.levels if introspects else size.introspection,
            types=size.types + (selection.name.value in TYPES_OF_TYPES),
            schemas=size.schemas + (selection.name.value == "__schema"),
        )

    def _fragment(self, name: str) -> Size:
        if name not in self._sizes:
            self._sizes[name] = Size()  # ends recursion; validation refuses fragments that spread themselves
            if name in self._fragments:
                self._sizes[name] = self._of(self._fragments[name].selection_set.selections)
        return self._sizes[name]


def _variables(node: OperationDefinitionNode | FragmentDefinitionNode) -> Sequence[VariableDefinitionNode]:
    return node.variable_definitions or ()
