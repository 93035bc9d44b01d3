"""Prints a page of a list: one aggregate over the rows of its source, numbered in the order of the list."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from graphql import GraphQLField, get_named_type, get_nullable_type, is_leaf_type, is_list_type

from backend.sources import Page
from schema.execution.operations import Details
from schema.execution.parts import Names, Scope, Shape, object_of
from schema.execution.printing import cursor, literal


class PagePrinter:
    """One page in a statement."""

    def __init__(self, compiler: Any, source: Page, names: Names, tag: bytes) -> None:
        assert names.bound.window is not None
        self._compiler, self._source, self._names, self._tag = compiler, source, names, tag
        self._window = names.bound.window
        self._row, page = compiler.alias(), compiler.alias()
        self._within = _Columns(page)
        self._page = page

    def printed(self, type_: Any, details: Details, shapes: dict[str, Shape]) -> str:
        """The connection."""
        source, names, row = self._source, self._names, self._row
        sql = object_of(type_, self._compiler.below(type_, details), partial(self._field, shapes))
        if self._within.columns:  # what is bound has to stand in the statement
            names.given |= _limits(source, self._window, names)
            way = names.given["way"]
            rows = source.signed_out if source.signed_out is not None and not self._compiler.signed_in else source.sql
            number = f"row_number() OVER (ORDER BY {row}.place_at {way}, {row}.id {way}) AS number"
            numbered = f"SELECT {row}.*, {number}, count(*) OVER () AS found FROM ({names.of(rows)}) AS {row}"
            sql = f"(SELECT {sql} FROM (SELECT {self._within.listed()} FROM ({numbered}) AS {row}) AS {self._page})"
        if source.when is not None:
            return f"CASE WHEN {names.of(source.when)} THEN {sql} ELSE 'null' END"
        return sql

    def _field(self, shapes: dict[str, Shape], name: str, definition: GraphQLField, details: Details) -> str:
        """A field of the connection: its edges, its PageInfo, or the total."""
        inner, shape = get_named_type(definition.type), shapes.setdefault(name, Shape(definition.type))
        if is_list_type(get_nullable_type(definition.type)):
            edge = object_of(inner, self._compiler.below(inner, details), partial(self._edge_field, shape.fields))
            way = "DESC" if self._window.backward else "ASC"
            wanted = f"{self._row}.number <= {self._window.size}"
            edges = f"string_agg({edge}, ',' ORDER BY {self._row}.number {way}) FILTER (WHERE {wanted})"
            return f"'[' || coalesce({self._within.add(edges)}, '') || ']'"
        if is_leaf_type(inner):
            assert self._source.total is not None
            total: str = self._compiler.value(self._source.total, "", definition, details, self._names)
            return total
        return object_of(inner, self._compiler.below(inner, details), self._page_info_field)

    def _edge_field(self, shapes: dict[str, Shape], name: str, definition: GraphQLField, details: Details) -> str:
        """The cursor, or the node."""
        if details[0].node.name.value == "cursor":
            return f"""'"' || {self._cursor(f"{self._row}.place_at", f"{self._row}.id")} || '"'"""
        shape = shapes.setdefault(name, Shape(definition.type))
        node: str = self._compiler.selected(get_named_type(definition.type), details, Scope(self._row), shape.fields)
        return node

    def _page_info_field(self, _name: str, _definition: GraphQLField, details: Details) -> str:
        window = self._window
        match details[0].node.name.value:
            case "hasNextPage" | "hasPreviousPage" as asked:
                is_ahead = (asked == "hasNextPage") is not window.backward
                if is_ahead:
                    return f"({self._within.add('count(*)')} > {window.size})::text"
                further = (window.before if window.backward else window.after) is not None
                return literal(str(further).lower())
            case asked:
                return self._end(is_first=(asked == "startCursor") is not window.backward)

    def _end(self, *, is_first: bool) -> str:
        """The cursor of the row that was found first or last; null if none was."""
        size, row = self._window.size, self._row
        number = f"least(1, {size})" if is_first else f"least({row}.found, {size})"
        at, id_ = (
            self._within.add(f"(array_agg({row}.{name}) FILTER (WHERE {row}.number = {number}))[1]")
            for name in ("place_at", "id")
        )
        return f"""coalesce('"' || {self._cursor(at, id_)} || '"', 'null')"""

    def _cursor(self, at: str, id_: str) -> str:
        return cursor(self._source.by, self._tag, at, id_)


class _Columns:
    """Columns of the subquery that aggregates a page."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self.columns: list[str] = []

    def add(self, sql: str) -> str:
        """A reference to this column."""
        if sql not in self.columns:
            self.columns.append(sql)
        return f"{self._alias}.c{self.columns.index(sql)}"

    def listed(self) -> str:
        """The columns, each with its name."""
        return ", ".join(f"{sql} AS c{number}" for number, sql in enumerate(self.columns))


def _limits(source: Page, window: Any, names: Names) -> Mapping[str, str]:
    """What stands for `$between`, `$order` and `$size`."""
    kind = "bigint" if source.by.value == b"n" else "timestamptz"
    further, nearer = (">", "<") if source.oldest_first else ("<", ">")
    between = ""
    for end, sign in (("after", further), ("before", nearer)):
        if getattr(window, end) is not None:
            at, id_ = names[f"{end}_at"], names[f"{end}_id"]
            between += f" AND ({source.at}, {source.id}) {sign} ({at}::{kind}, {id_}::uuid)"
    sizes = {"size": str(window.size), "limit": str(window.size + 1)}
    return {"between": between, "order": window.order(source.at, source.id), "way": window.direction, **sizes}
