"""Answers queries from the same sources, but each field by its own small statement, and everything else in Python.

It is what the one statement of `schema/execution/compiler.py` has to equal, byte for byte: GraphQL's own execution decides about
errors, nulls and the order of fields, its scalars print the values, and pages are cut and cursors made by `backend/pages.py`. A
row goes from one statement to the next as the texts of its columns, with their types.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from string import Template
from typing import Any
from unittest.mock import patch

import psycopg
from django.db import connection
from graphql import (
    Executor,
    GraphQLError,
    GraphQLField,
    default_field_resolver,
    default_type_resolver,
    get_named_type,
    get_nullable_type,
    is_enum_type,
    is_leaf_type,
    is_list_type,
)

from backend.engine.errors import Forbidden, Unauthenticated
from backend.moderation.queries import NOT_A_MODERATOR
from backend.pages import NUMBER, Window, tag_of, to_cursor
from backend.sources import Bound, ByIds, Needs, OneOf, Page, Row, Rows, Same, Source, Value
from schema.execution import executor, run
from schema.execution.fields import bound
from schema.execution.graphql_schema import GRAPHQL
from schema.execution.operations import Roots
from schema.execution.plans import VIEWER
from schema.execution.steps import IN_THREAD, Steps
from schema.nodes import to_id
from schema.scalars import MAX_INT

USED: Counter[int] = Counter()
"""How often each source was asked, by its identity."""


@dataclass(frozen=True)
class Carried:
    """A row between two statements."""

    type: str
    columns: Mapping[str, tuple[str, str | None]]
    """The type and the text of each."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """The same for Python."""
    known: Mapping[str, "Carried"] = field(default_factory=dict)
    instead: Mapping[str, Source] = field(default_factory=dict)


class Statement(Mapping[str, str]):
    """One statement over a row, or over nothing: what the names in its SQL stand for, and what is bound."""

    def __init__(self, viewer: Mapping[str, Any], row: Carried | None, values: Mapping[str, Any]) -> None:
        self.bound: list[Any] = []
        self._names = {"row": "carried"}
        self._values = {**viewer, **values}
        self._row = row

    def __getitem__(self, name: str) -> str:
        if name not in self._names:
            kind = {"viewer": "::uuid", "mature": "::boolean", "moderator": "::boolean"}.get(name, "")
            self._names[name] = f"({self.put(self._values[name])}{kind})" if kind else self.put(self._values[name])
        return self._names[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def put(self, value: Any) -> str:
        """A placeholder for the value."""
        self.bound.append(value)
        return f"${len(self.bound)}"

    def page(self, source: Page, window: Window) -> None:
        """What stands for the limits of a page."""
        between, places = window.condition(source.at, source.id)
        kinds = ("bigint" if source.by is NUMBER else "timestamptz", "uuid")
        for number, place in enumerate(places):
            between = between.replace("%s", f"{self.put(place)}::{kinds[number % 2]}", 1)
        way = "ASC" if window.backward is not source.oldest_first else "DESC"
        limits = {"way": way, "limit": str(window.size + 1), "size": str(window.size)}
        self._names |= {"between": between, "order": window.order(source.at, source.id), **limits}

    def _from(self) -> str:
        if self._row is None:
            return ""
        columns = [f'{self.put(text)}::{kind} AS "{name}"' for name, (kind, text) in self._row.columns.items()]
        return f"(SELECT {', '.join(columns)}) AS carried"

    def value(self, sql: str) -> Any:
        """The value of an expression."""
        found = _run(
            f"SELECT {Template(sql).substitute(self)} AS value FROM {self._from() or '(SELECT) AS nothing'}", self
        )
        return found[0][1]["value"]

    def rows(self, sql: str, type_: str, **more: Any) -> list[Carried]:
        """The rows of a SELECT."""
        return [Carried(type_, columns, values, **more) for columns, values in _run(self._select(sql), self)]

    def kinds(self, sql: str) -> dict[str, str]:
        """The types of the columns of a SELECT."""
        connection.ensure_connection()
        cursor = psycopg.RawCursor(connection.connection)
        cursor.execute(f"{self._select(sql)} LIMIT 0".encode(), self.bound)
        return {column.name: _type(column.type_code) for column in cursor.description or ()}

    def _select(self, sql: str) -> str:
        asked = f"({Template(sql).substitute(self)}) AS found"
        over = self._from()
        return f"SELECT found.* FROM {f'{over} CROSS JOIN LATERAL {asked}' if over else asked}"


_TYPES: dict[int, str] = {}


def _type(oid: int) -> str:
    if oid not in _TYPES:
        found = psycopg.RawCursor(connection.connection).execute("SELECT format_type($1, NULL)", [oid]).fetchone()
        assert found is not None
        _TYPES[oid] = found[0]
    return _TYPES[oid]


def _run(sql: str, statement: Statement) -> list[tuple[dict[str, tuple[str, str | None]], dict[str, Any]]]:
    connection.ensure_connection()
    cursor = psycopg.RawCursor(connection.connection)
    cursor.execute(sql.encode(), statement.bound)
    result, loaded, described = cursor.pgresult, cursor.fetchall(), cursor.description
    assert result is not None
    assert described is not None
    found = []
    for at, row in enumerate(loaded):
        texts, values = {}, {}
        for number, column in enumerate(described):
            raw = result.get_value(at, number)
            texts[column.name] = (_type(column.type_code), None if raw is None else bytes(raw).decode())
            values[column.name] = _loaded(row[number], _type(column.type_code))
        found.append((texts, values))
    return found


def _loaded(value: Any, kind: str) -> Any:
    if kind in ("json", "jsonb") and isinstance(value, str | bytes):
        return json.loads(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return int(value) if isinstance(value, Decimal) and value == int(value) else value


class Paged:
    """A page, whose fields are found when they are asked for."""

    def __init__(self, cut: "Cut", source: Page, given: Bound, row: Carried | None, type_: str, field: str) -> None:
        self.cut, self.source, self.given, self.row, self.type = cut, source, given, row, type_
        self.tag = tag_of(field, source.at)
        assert given.window is not None
        self.window: Window = given.window

    @cached_property
    def found(self) -> list[tuple[str, Carried]]:
        """Cursors and rows, as the SELECT found them, at most one more than asked for."""
        statement = self.cut.statement(self.row, self.given)
        statement.page(self.source, self.window)
        sql = self.source.sql
        if not self.cut.signed_in and self.source.signed_out is not None:
            sql = self.source.signed_out
        rows = statement.rows(sql, self.type)
        ascending = self.window.backward is not self.source.oldest_first
        keyed = sorted(((one.values["place_at"], one.values["id"].bytes, one) for one in rows), key=lambda one: one[:2])
        keyed = keyed if ascending else keyed[::-1]
        return [(to_cursor(self.tag, (at, one.values["id"])), one) for at, _, one in keyed]

    def get(self, definition: GraphQLField) -> Any:
        """A field of the connection."""
        if is_list_type(get_nullable_type(definition.type)):
            edges = [{"cursor": cursor, "node": row} for cursor, row in self.found[: self.window.size]]
            return edges[::-1] if self.window.backward else edges
        if is_leaf_type(get_named_type(definition.type)):
            assert self.source.total is not None
            total = self.cut.statement(self.row, self.given).value(self.source.total.sql)
            return min(total, MAX_INT) if get_named_type(definition.type).name == "Int" else total
        return _PageInfo(self)


@dataclass(frozen=True)
class _PageInfo:
    page: Paged

    def get(self, name: str) -> Any:
        found, window = self.page.found, self.page.window
        shown = [cursor for cursor, _ in found[: window.size]]
        shown = shown[::-1] if window.backward else shown
        more = len(found) > window.size
        further = (window.before if window.backward else window.after) is not None
        match name:
            case "hasNextPage":
                return further if window.backward else more
            case "hasPreviousPage":
                return more if window.backward else further
        return (shown[0] if name == "startCursor" else shown[-1]) if shown else None


class Cut(Executor[None]):
    """GraphQL's own execution, with the sources as resolvers."""

    only: Any = None
    viewer: Mapping[str, Any]
    signed_in = False

    def statement(self, row: Carried | None, given: Bound) -> Statement:
        """A statement for a field."""
        return Statement(self.viewer, row, given.values)

    def execute_fields(self, parent_type: Any, source_value: Any, path: Any, grouped: Any, position: Any) -> Any:
        """The fields of an object; of the root, those that are planned."""
        if path is None and self.only is not None:
            grouped = {name: one for name, one in grouped.items() if name in self.only}
        return super().execute_fields(parent_type, source_value, path, grouped, position)

    def execute_field(self, parent_type: Any, source: Any, details: Any, path: Any, position: Any) -> Any:
        """One field, by its source."""
        node = details[0].node
        definition: Any = self.schema.get_field(parent_type, node.name.value)
        if node.name.value == "__typename":
            return parent_type.name
        nodes = [one.node for one in details]
        try:
            value = self._resolved(parent_type.name, definition, node, source)
            info = self.build_resolve_info(definition, nodes, parent_type, path)
            return self.complete_value(definition.type, details, info, path, value, position)
        except Exception as error:
            self.handle_field_error(error, definition.type, details, path)
            return None

    def complete_abstract_value(
        self,
        return_type: Any,  # noqa: ARG002
        details: Any,
        info: Any,
        path: Any,
        result: Any,
        at: Any,
    ) -> Any:
        """A row knows its type."""
        return self.complete_object_value(self.schema.type_map[result.type], details, info, path, result, at)

    def complete_object_value(self, return_type: Any, details: Any, info: Any, path: Any, result: Any, at: Any) -> Any:  # noqa: ARG002
        """Nobody doubts what type a row is of."""
        return self.collect_and_execute_subfields(return_type, details, path, result, at)

    @staticmethod
    def complete_leaf_value(return_type: Any, result: Any) -> Any:
        """A value as GraphQL's scalars print it; an enum's is its name already."""
        if is_enum_type(return_type):
            assert result in return_type.values, (return_type, result)
            return result
        return Executor.complete_leaf_value(return_type, result)

    def _resolved(self, owner: str, definition: GraphQLField, node: Any, parent: Any) -> Any:
        name = node.name.value
        if isinstance(parent, dict):
            return parent[name]
        if isinstance(parent, Paged):
            return parent.get(definition)
        if isinstance(parent, _PageInfo):
            return parent.get(name)
        row: Carried | None = parent
        if row is not None and name in row.known:
            return row.known[name]
        given: Bound | Exception
        if row is not None and name in row.instead:
            given = Bound(row.instead[name])
        else:
            given = bound(owner, definition, node, self.variable_values)
        if isinstance(given, Exception):
            raise given
        needs = getattr(given.source, "needs", Needs.NOBODY)
        if needs is not Needs.NOBODY and not self.signed_in:
            raise Unauthenticated
        if needs is Needs.MODERATOR and not self.viewer["moderator"]:
            raise Forbidden(NOT_A_MODERATOR)
        USED[id(given.source)] += 1
        return self._sourced(owner, name, definition, given, row)

    def _sourced(self, owner: str, name: str, definition: GraphQLField, given: Bound, row: Carried | None) -> Any:
        source, inner = given.source, get_named_type(definition.type)
        match source:
            case None:
                return None
            case Value():
                value = self.statement(row, given).value(source.sql)
                if value is None:
                    return None
                if inner.name == "ID":
                    of = owner if source.of is None else self.statement(row, given).value(source.of)
                    return to_id(of, *str(value).split(":"))  # type: ignore[arg-type]
                if source.is_wide and inner.name == "Int":
                    return min(value, MAX_INT)
                return value if source.convert is None else source.convert(value)
            case Row():
                found = self._row(source, inner.name, given, row)
                if found is None and source.missing is not None:
                    raise source.missing()
                return found
            case Rows():
                more = _scope(source, row)
                return self.statement(row, given).rows(source.sql, inner.name, **more)
            case Same():
                if not self.statement(row, given).value(source.when):
                    return None
                assert row is not None
                return Carried(inner.name, row.columns, row.values, row.known, row.instead)
            case Page():
                if source.when is not None and not self.statement(row, given).value(source.when):
                    return None
                return Paged(self, source, given, row, self._node_of(inner), f"{owner}.{name}")
            case OneOf():
                rows = (self._row(one, inner.name, given, row) for one in source.rows)
                return next((one for one in rows if one is not None), None)
            case ByIds():
                return self._by_ids(source, inner.name, given)

    def _node_of(self, connection_type: Any) -> str:
        edge: Any = get_named_type(connection_type.fields["edges"].type)
        return str(get_named_type(edge.fields["node"].type).name)

    def _row(self, source: Row, type_: str, given: Bound, row: Carried | None) -> Carried | None:
        USED[id(source)] += 1
        found = self.statement(row, given).rows(source.sql, source.type or type_, **_scope(source, row))
        assert len(found) <= 1, source
        return found[0] if found else None

    def _by_ids(self, source: ByIds, type_: str, given: Bound) -> list[Carried | None]:
        found: list[Carried | None] = []
        asked = zip(given.values["types"], given.values["keys"], given.values["owners"], strict=True)
        for asked_type, key, owner in asked:
            rows = [one for one in source.rows if (one.type or type_) == asked_type]
            values = {"key": key, "owner": owner}
            found.append(self._row(rows[0], type_, Bound(rows[0], {**given.values, **values}), None) if rows else None)
        return found


def _scope(source: Row | Rows, row: Carried | None) -> dict[str, Any]:
    known = {} if source.inverse is None else {source.inverse: row}
    return {"known": known, "instead": source.instead}


def cut_at_fields() -> Any:
    """While this lasts, no query is answered by one statement."""
    return patch.object(run.Execution, "_planned", _planned)


def _planned(execution: Any, roots: Roots) -> Steps[tuple[Any, list[GraphQLError]]]:
    selection, context = execution._selection, execution._context
    yield IN_THREAD
    cut = Cut(  # type: ignore[misc]
        GRAPHQL,
        {name: one.definition for name, one in selection.operation.fragments.items()},
        selection.operation.fragments,
        None,
        context,
        selection.operation.node,
        selection.values,
        default_field_resolver,
        default_type_resolver,
        default_field_resolver,
        is_awaitable=executor._never,
        hide_suggestions=True,
    )
    cut.only = set(roots.planned)
    cut.viewer = viewer_of(context)
    cut.signed_in = cut.viewer["viewer"] is not None
    result: Any = cut.execute_operation()
    return result.data, result.errors or []


def viewer_of(context: Any) -> dict[str, Any]:
    """Who is asking, and what sources know of them."""
    credentials = context.credentials()
    if credentials is not None:
        known_by, given = credentials
        statement = Statement({}, None, {})
        for _, row in _run(VIEWER[known_by].format(statement.put(given["viewer"])), statement):
            facts = {"viewer": row["id"], "mature": row["show_mature"], "moderator": row["is_moderator"]}
            return {**facts, "token": given["token"]}
        context.is_known(None)
    return {"viewer": None, "mature": False, "moderator": False, "token": None}
