"""Parts of a statement: rows in it, names in sources, and the concatenation of what is printed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from string import Template
from typing import Any, NamedTuple

from django.conf import settings
from graphql import GraphQLField

from backend.sources import Bound, Source
from schema.execution.operations import Details
from schema.execution.printing import literal

PLACES = ("after_at", "after_id", "before_at", "before_id")
"""What is bound of a page's cursors."""
GIVEN = 0
"""The site of values that no field's arguments give: the token of the request, or a row that a mutation wrote."""


class TooLarge(Exception):
    """A statement is too large to be run: it has `found` characters so far."""

    def __init__(self, found: int) -> None:
        super().__init__(found)
        self.found = found


class Parameter(NamedTuple):
    """A value that is bound: which field's, and which of its values."""

    site: int
    name: str


@dataclass(frozen=True)
class Scope:
    """A row in the statement, and what is known of it."""

    alias: str
    known: Mapping[str, "Scope"] = field(default_factory=dict)
    """Rows that fields of it lead to, and that are in reach already."""
    instead: Mapping[str, Source] = field(default_factory=dict)


@dataclass
class Shape:
    """A selected field as it is in the answer."""

    type: Any
    fields: dict[str, "Shape"] = field(default_factory=dict)


class Names(Mapping[str, str]):
    """What the names in a source stand for. A name that nothing else is called by is a bound value."""

    def __init__(self, compiler: Any, row: str, site: int, bound: Bound) -> None:
        self._compiler, self._site, self.bound = compiler, site, bound
        self.given = {**compiler.viewer, "row": row}

    def __getitem__(self, name: str) -> str:
        if name in self.given:
            return self.given[name]
        of_field = name in self.bound.values or name in PLACES
        return self._compiler.parameter(self._site if of_field else GIVEN, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.given)

    def __len__(self) -> int:
        return len(self.given)

    def of(self, sql: str) -> str:
        """The SQL with its names replaced."""
        return Template(sql).substitute(self)


def object_of(type_: Any, grouped: Mapping[str, Details], printed: Callable[[str, GraphQLField, Details], str]) -> str:
    """The expression of an object: its fields by response name, each as `printed` prints it. Raises `TooLarge`."""
    parts: list[str] = []
    for name, details in grouped.items():
        parts.append(literal(f'{"," if parts else "{"}"{name}":'))
        definition = type_.fields.get(details[0].node.name.value)
        parts.append(printed(name, definition, details) if definition else literal(f'"{type_.name}"'))  # or __typename
    return joined([*parts, literal("}")]) if parts else literal("{}")


def joined(parts: Sequence[str]) -> str:
    """The concatenation, with neighbouring literals as one.

    It is a balanced tree: each `||` copies its operands, and PostgreSQL keeps all copies until the row is done. One after the
    other, the fields of an object would take memory and time that grow with the square of its length. Raises `TooLarge`.
    """
    merged: list[str] = []
    for part in parts:
        if merged and _is_literal(part) and _is_literal(merged[-1]):
            merged[-1] = merged[-1][:-1] + part[1:]
        else:
            merged.append(part)
    while len(merged) > 1:
        merged = [_pair(merged[at : at + 2]) for at in range(0, len(merged), 2)]
    if len(merged[0]) > settings.MAX_STATEMENT_CHARACTERS:
        raise TooLarge(len(merged[0]))
    return merged[0]


def _pair(parts: Sequence[str]) -> str:
    return f"({' || '.join(parts)})" if len(parts) > 1 else parts[0]


def _is_literal(sql: str) -> bool:
    return sql[0] == sql[-1] == "'" and "'" not in sql[1:-1].replace("''", "")
