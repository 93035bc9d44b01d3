"""Composes the sources of the selected fields into one SQL statement, which prints their JSON.

Each object is one expression over its row's alias: constants and printed values, concatenated. An object or list below it is a
subquery. Every expression for a field is text and never NULL. Where a field is refused, the statement prints a marker instead,
which no other JSON can hold: see `markers`.
"""

from collections.abc import Callable, Hashable, Mapping
from functools import partial
from string import Template
from typing import Any

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLObjectType,
    get_named_type,
    get_nullable_type,
    is_list_type,
    is_non_null_type,
)

from backend.engine.errors import Forbidden, Unauthenticated
from backend.moderation.queries import NOT_A_MODERATOR
from backend.pages import tag_of
from backend.sources import Bound, ByIds, Needs, OneOf, Page, Row, Rows, Same, Value
from schema.execution import markers
from schema.execution.graphql_schema import GRAPHQL
from schema.execution.measuring import length_of
from schema.execution.operations import Details, Selection
from schema.execution.pages import PagePrinter
from schema.execution.parts import GIVEN, Names, Parameter, Scope, Shape, object_of
from schema.execution.printing import literal, printed, printed_list
from schema.execution.texts import longest
from schema.scalars import MAX_INT

SIGNED_OUT = {"viewer": "NULL::uuid", "mature": "FALSE", "moderator": "FALSE"}
SIGNED_IN = {"viewer": "viewer.id", "mature": "viewer.show_mature", "moderator": "viewer.is_moderator"}
"""What stands for the viewer in a source."""


Bind = Callable[[str, GraphQLField, FieldNode], "Bound | Exception"]
"""The source of a field of a type, or why it is refused."""


class Compiler:
    """Compiles one operation, or the selections of one object of it."""

    def __init__(
        self, selection: Selection, bind: Bind, *, signed_in: bool, names: Mapping[str, str] | None = None
    ) -> None:
        """`names` stand for something in this statement, besides those of the viewer."""
        self._selection, self._bind = selection, bind
        self.signed_in = signed_in
        self._viewer = {**(SIGNED_IN if signed_in else SIGNED_OUT), **(names or {})}
        self._aliases = 0
        self.measuring = False
        """Whether the lengths of long texts are printed instead of all values: see `measuring`."""
        self.parameters: list[Parameter] = []
        self.marked: list[markers.Marked] = []
        """What the marks stand for, by their number."""
        self._numbers: dict[Hashable, int] = {}

    # --- Objects --------------------------------------------------------------------------------------------------

    def root(self, only: set[str]) -> tuple[str, dict[str, Shape]]:
        """The object of those root fields that have these response names."""
        grouped = {name: details for name, details in self._selection.root().items() if name in only}
        shapes: dict[str, Shape] = {}
        return self._object(GRAPHQL.query_type, grouped, Scope(""), shapes), shapes

    def of_row(self, type_: GraphQLObjectType, details: Details, scope: Scope) -> tuple[str, dict[str, Shape]]:
        """The object that shows a row in these selections."""
        shapes: dict[str, Shape] = {}
        return self.selected(type_, details, scope, shapes), shapes

    def selected(self, type_: Any, details: Details, scope: Scope, shapes: dict[str, Shape]) -> str:
        """The object with these selections of a row."""
        return self._object(type_, self.below(type_, details), scope, shapes)

    def below(self, type_: Any, details: Details) -> Mapping[str, Details]:
        """The selected fields of a type, by response name."""
        return self._selection.below(type_, details)

    def _object(self, type_: Any, grouped: Mapping[str, Details], scope: Scope, shapes: dict[str, Shape]) -> str:
        return object_of(type_, grouped, partial(self._shaped, type_.name, scope, shapes))

    def _shaped(
        self, owner: str, scope: Scope, shapes: dict[str, Shape], name: str, definition: GraphQLField, details: Details
    ) -> str:
        shape = shapes.setdefault(name, Shape(definition.type))
        return self._field(owner, definition, details, scope, shape.fields)

    def shaped(
        self, owner: str, definition: GraphQLField, details: Details, scope: Scope, shapes: dict[str, Shape]
    ) -> str:
        """One field of a row, with its shape among `shapes`."""
        name = (details[0].node.alias or details[0].node.name).value
        return self._shaped(owner, scope, shapes, name, definition, details)

    # --- Fields ---------------------------------------------------------------------------------------------------

    def _field(
        self, owner: str, definition: GraphQLField, details: Details, scope: Scope, shapes: dict[str, Shape]
    ) -> str:
        node = details[0].node
        inner: Any = get_named_type(definition.type)
        known = scope.known.get(node.name.value)
        if known is not None:
            return self.selected(inner, details, known, shapes)
        bound: Bound | Exception
        instead = scope.instead.get(node.name.value)
        bound = self._bind(owner, definition, node) if instead is None else Bound(instead)
        if isinstance(bound, Exception):
            return self._mark(id(node), details)
        needs = getattr(bound.source, "needs", Needs.NOBODY)
        if needs is not Needs.NOBODY and not self.signed_in:
            return self._mark(Unauthenticated, details)
        sql = self._sourced(bound, owner, definition, details, scope, shapes)
        if needs is Needs.MODERATOR:
            refused = self._mark(_not_a_moderator, details)
            return f"CASE WHEN {self._viewer['moderator']} THEN {sql} ELSE {refused} END"
        return sql

    def _sourced(
        self,
        bound: Bound,
        owner: str,
        definition: GraphQLField,
        details: Details,
        scope: Scope,
        shapes: dict[str, Shape],
    ) -> str:
        source, inner = bound.source, get_named_type(definition.type)
        names = Names(self, scope.alias, id(details[0].node), bound)
        match source:
            case None:
                return self._or_null("NULL", definition, details)
            case Value() if self.measuring:
                is_long = longest(GRAPHQL, owner, details[0].node.name.value) > 0
                return length_of(names.of(source.sql)) if is_long else literal("")
            case Value():
                return self.value(source, owner, definition, details, names)
            case Row():
                return self._or_null(
                    self._row(source, inner, details, names, scope, shapes),
                    definition,
                    details,
                    source.missing or markers.IsGone,
                )
            case Rows():
                alias = self.alias()
                sql = self.selected(inner, details, _scope(alias, source, scope), shapes)
                # Aggregated one level up: an aggregate of what only the rows around show would belong to their query.
                rows = f"SELECT {sql} AS printed FROM ({names.of(source.sql)}) AS {alias}"
                return f"coalesce((SELECT '[' || string_agg(shown.printed, ',') || ']' FROM ({rows}) AS shown), '[]')"
            case Same():
                return f"CASE WHEN {names.of(source.when)} THEN {self.selected(inner, details, scope, shapes)} ELSE 'null' END"
            case Page():
                tag = tag_of(f"{owner}.{details[0].node.name.value}", source.at)
                return PagePrinter(self, source, names, tag).printed(inner, details, shapes)
            case OneOf():
                found = [self._row(one, inner, details, names, scope, shapes) for one in source.rows]
                return f"coalesce({', '.join([*found, literal('null')])})"
            case ByIds():
                return self._by_ids(source, inner, details, names, shapes)

    def value(self, source: Value, owner: str, definition: GraphQLField, details: Details, names: Names) -> str:
        """A printed value, or null, or a mark."""
        sql = names.of(source.sql)
        type_: Any = get_nullable_type(definition.type)
        if is_list_type(type_):
            sql = printed_list(sql)
        elif source.is_wide and type_.name == "Int":
            sql = printed(type_.name, f"least({sql}, {MAX_INT})", "")
        elif source.convert is not None:
            sql = f"{literal(markers.opening(self._number(source.convert)))} || ({sql})::text || '}}'"
        else:
            sql = printed(type_.name, sql, literal(owner) if source.of is None else names.of(source.of))
        return self._or_null(sql, definition, details)

    def _or_null(self, sql: str, definition: GraphQLField, details: Details, missing: Any = markers.IsNull) -> str:
        is_required = is_non_null_type(definition.type)
        nothing = self._mark(missing, details) if is_required else literal("null")
        return f"coalesce({sql}, {nothing})"

    def _row(
        self, source: Row, type_: Any, details: Details, names: Names, scope: Scope, shapes: dict[str, Shape]
    ) -> str:
        """The object of the row, NULL if there is none."""
        alias = self.alias()
        shown = type_ if source.type is None else GRAPHQL.type_map[source.type]
        sql = self.selected(shown, details, _scope(alias, source, scope), shapes)
        if source.logged_when is not None:
            logged = Template(source.logged_when).substitute({**self._viewer, "row": alias})
            looked = (
                f"{literal(markers.opening(self._number(shown.name)))} || {sql} || ',\"id\":\"' || {alias}.id || '\"}}'"
            )
            sql = f"CASE WHEN {logged} THEN {looked} ELSE {sql} END"
        return f"(SELECT {sql} FROM ({names.of(source.sql)}) AS {alias})"

    def _by_ids(self, source: ByIds, type_: Any, details: Details, names: Names, shapes: dict[str, Shape]) -> str:
        names.given |= {"key": "asked.key", "owner": "asked.owner"}
        asked = f"unnest({names['keys']}::uuid[], {names['types']}::text[], {names['owners']}::uuid[])"
        cases = [
            f"WHEN {literal(row.type or type_.name)} THEN {self._row(row, type_, details, names, Scope(''), shapes)}"
            for row in source.rows
        ]
        one = f"CASE asked.type {' '.join(cases)} END" if cases else "NULL::text"
        return (
            f"coalesce((SELECT '[' || string_agg(coalesce({one}, 'null'), ',' ORDER BY asked.number) || ']' "
            f"FROM {asked} WITH ORDINALITY AS asked (key, type, owner, number)), '[]')"
        )

    # --- Parts ----------------------------------------------------------------------------------------------------

    def alias(self) -> str:
        """A name for rows that nothing else in the statement has."""
        self._aliases += 1
        return f"r{self._aliases}"

    def _number(self, meaning: Any, details: Details = ()) -> int:
        """The number of a mark with this meaning, for an error at these nodes of the document."""
        nodes = [one.node for one in details]
        key = meaning, *map(id, nodes)
        if key not in self._numbers:
            self._numbers[key] = len(self.marked)
            self.marked.append(markers.Marked(meaning, nodes))
        return self._numbers[key]

    def _mark(self, meaning: Any, details: Details) -> str:
        """The literal of a marker: `meaning` is a site whose arguments are refused, or makes the exception."""
        return literal(markers.mark(self._number(meaning, details)))

    def parameter(self, site: int, name: str) -> str:
        """A placeholder for a bound value."""
        wanted = Parameter(site, name)
        if wanted not in self.parameters:
            self.parameters.append(wanted)
        return f"${self.parameters.index(wanted) + 1}"

    def bound(self, sql: str) -> str:
        """The SQL, with names of given values replaced."""
        return Names(self, "", GIVEN, Bound(None)).of(sql)

    @property
    def viewer(self) -> Mapping[str, str]:
        """What stands for the viewer in a source."""
        return self._viewer


def _scope(alias: str, source: Row | Rows, parent: Scope) -> Scope:
    known = {} if source.inverse is None else {source.inverse: parent}
    return Scope(alias, known, source.instead)


def _not_a_moderator() -> Exception:
    return Forbidden(NOT_A_MODERATOR)
