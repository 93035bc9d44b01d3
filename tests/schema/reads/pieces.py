"""Answers queries from the same sources, but cut where a source leaves its row's aggregate: as a sharded engine would run them.

What is local to a row's aggregate is printed where the row is. Where a source is not local, the statement prints a hole: a mark
that carries the rows from which the piece there is made. All holes of a piece are filled by one statement, by these rows. So
there are as many statements as places in the document at which a source leaves its aggregate, however long the lists are.

The fields of a row see its own aggregate alone: its tables are reduced to that, and all others are empty. So a source that is
said to be local and is not makes another answer, even if it reads nothing but tables of the same kind.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple
from unittest.mock import patch

import orjson
from django.db.models import Model
from graphql import GraphQLError, GraphQLField

from backend.postgresql.reads import Statement as Prepared
from backend.postgresql.select import select
from backend.sources import Bound, Page, Row, Source, as_json
from schema.execution import markers, run
from schema.execution.compiler import Compiler
from schema.execution.markers import MARK
from schema.execution.operations import Details, Roots, Selection
from schema.execution.parts import GIVEN, Names, Scope, Shape
from schema.execution.plans import Plan, Query
from schema.execution.printing import literal
from schema.execution.steps import IN_THREAD, Steps
from tests.schema.reads.aggregates import TABLES, key_of, model_of, named_in
from tests.schema.reads.cut import Carried, Statement, viewer_of

Kinds = Mapping[str, str]
"""The type of each column of a row."""


class Place(NamedTuple):
    """A row in a statement, and its aggregate."""

    kinds: Kinds
    home: str
    """The row by which the aggregate was entered."""
    root: type[Model]
    key: str
    """The column that has the key of the aggregate's root."""


FACTS = "SELECT {}::uuid AS id, {}::boolean AS show_mature, {}::boolean AS is_moderator"
"""What every piece knows of the viewer: another piece has looked it up."""


@dataclass(frozen=True, eq=False)
class Piece:
    """What a hole stands for: compiles the expression over the rows that the hole carries."""

    compile: Callable[[], str]
    rows: Mapping[str, Kinds]


class Pieces(Compiler):
    """Compiles with holes where sources leave their row's aggregate."""

    def __init__(self, selection: Selection, bind: Any, *, signed_in: bool) -> None:
        super().__init__(selection, bind, signed_in=signed_in)
        self._places: dict[str, Place] = {}
        self._within: list[tuple[Source | None, Bound, Scope]] = []
        """The sources of the rows around."""

    def _field(
        self, owner: str, definition: GraphQLField, details: Details, scope: Scope, shapes: dict[str, Shape]
    ) -> str:
        known = scope.known.get(details[0].node.name.value)
        field = partial(super()._field, owner, definition, details, scope, shapes)
        if known is None or self._places[known.alias].home == self._places[scope.alias].home:
            return field()
        return self._hole(field, scope)

    def _sourced(
        self,
        bound: Bound,
        owner: str,
        definition: GraphQLField,
        details: Details,
        scope: Scope,
        shapes: dict[str, Shape],
    ) -> str:
        inside = partial(self._inside, bound, owner, definition, details, scope, shapes)
        is_local = bound.source is None or (scope.alias and getattr(bound.source, "is_local", False))
        return inside() if is_local else self._hole(inside, scope)

    def _inside(self, bound: Bound, owner: str, definition: Any, details: Any, scope: Scope, shapes: Any) -> str:
        self._within.append((bound.source, bound, scope))
        sql = super()._sourced(bound, owner, definition, details, scope, shapes)
        self._within.pop()
        return sql

    def _row(self, source: Row, type_: Any, details: Details, names: Names, scope: Scope, shapes: Any) -> str:
        self._within.append((source, names.bound, scope))
        sql = super()._row(source, type_, details, names, scope, shapes)
        self._within.pop()
        return sql

    def selected(self, type_: Any, details: Details, scope: Scope, shapes: dict[str, Shape]) -> str:
        """The object with these selections of a row, which sees nothing but its aggregate."""
        if scope.alias not in self._places:
            source, bound, parent = self._within[-1]
            around = self._places.get(parent.alias)
            home = around.home if around is not None and getattr(source, "is_local", False) else scope.alias
            kinds = kinds_of(source, bound, {} if around is None else around.kinds)
            self._places[scope.alias] = Place(kinds, home, *key_of(model_of(type_.name)))
        return _alone(super().selected(type_, details, scope, shapes), scope.alias, self._places[scope.alias])

    def _hole(self, compile_: Callable[[], str], scope: Scope) -> str:
        rows = {alias: self._places[alias].kinds for alias in _aliases(scope)}
        self.marked.append(Piece(compile_, rows))
        carried = ", ".join(f"{literal(alias)}, {alias}" for alias in rows)
        return f"{literal(markers.opening(len(self.marked) - 1))} || jsonb_build_object({carried})::text || '}}'"

    def statement(self, piece: Piece) -> str:
        """The statement that makes a piece for all the rows that its holes carry, as one list."""
        self.parameters = []
        sql = piece.compile()
        carried = f"jsonb_array_elements({self.parameter(GIVEN, 'carried')}::jsonb)"
        tables = [f"{carried} WITH ORDINALITY AS given (rows, number)"]
        for alias, kinds in piece.rows.items():
            columns = ", ".join(f'"{name}" {kind}' for name, kind in kinds.items())
            tables.append(f"jsonb_to_record(given.rows -> '{alias}') AS {alias} ({columns})")
        if self.signed_in:
            facts = FACTS.format(*(self.parameter(GIVEN, name) for name in ("viewer", "mature", "moderator")))
            tables.insert(0, f"({facts}) AS viewer")
        printed = f"SELECT {sql} AS printed, given.number FROM {' CROSS JOIN '.join(tables)}"
        return f"SELECT '[' || string_agg(shown.printed, ',' ORDER BY shown.number) || ']' FROM ({printed}) AS shown"


def _aliases(scope: Scope) -> Iterator[str]:
    """The row, and those that fields of it lead back to."""
    if scope.alias:
        yield scope.alias
    for one in scope.known.values():
        yield from _aliases(one)


def _alone(sql: str, alias: str, place: Place) -> str:
    """The expression over a row, where there is nothing but the row's aggregate."""
    tables = []
    for table in sorted(named_in(sql)):
        own, column = key_of(TABLES[table])
        where = f"own.{column} = {alias}.{place.key}" if own is place.root else "FALSE"
        tables.append(f"{table} AS (SELECT own.* FROM public.{table} AS own WHERE {where})")
    return f"(WITH {', '.join(tables)} SELECT {sql})" if tables else sql


_KINDS: dict[Any, Kinds] = {}
"""By source."""


def kinds_of(source: Any, bound: Bound, parent: Kinds) -> Kinds:
    """The types of the columns of a source's rows, for a row with such columns."""
    if source not in _KINDS:
        nobody = dict.fromkeys(("viewer", "mature", "moderator", "token", "key", "owner"))
        row = Carried("", {name: (kind, None) for name, kind in parent.items()}) if parent else None
        statement = Statement(nobody, row, bound.values)
        if isinstance(source, Page):
            assert bound.window is not None
            statement.page(source, bound.window)
        _KINDS[source] = statement.kinds(source.sql)
    return _KINDS[source]


# --- Execution --------------------------------------------------------------------------------------------------


def cut_by_aggregates() -> Any:
    """While this lasts, queries are answered by a statement for each piece."""
    return patch.object(run.Execution, "_planned", _planned)


def _planned(execution: Any, roots: Roots) -> Steps[tuple[Any, list[GraphQLError]]]:
    yield IN_THREAD
    binding = Query(execution._selection, roots.planned, is_measured=False)._binding
    facts = viewer_of(execution._context)
    compiler = Pieces(execution._selection, binding.source, signed_in=facts["viewer"] is not None)
    shapes: dict[str, Shape] = {}

    def root() -> str:
        sql, found = compiler.root(set(roots.planned))
        shapes.update(found)
        return sql

    def made(piece: Piece, rows: list[Any]) -> list[Any]:
        statement = Prepared.of(compiler.statement(piece))
        plan = Plan(statement, tuple(compiler.parameters), {}, ())
        found = select(statement, binding.values(plan, {**facts, "carried": as_json(rows)}))
        assert found is not None
        assert found[0] is not None
        values: list[Any] = orjson.loads(found[0].replace(MARK.encode(), markers.KEY.encode()))
        return values

    answer = made(Piece(root, {}), [{}])
    while holes := _holes(answer, compiler.marked):
        for piece, places in holes.items():
            values = made(piece, [within[key]["value"] for within, key in places])
            for (within, key), value in zip(places, values, strict=True):
                within[key] = value
    reader = binding.reader(Plan(Prepared.of(""), (), {}, compiler.marked), str(facts["viewer"] or ""))
    return reader.data(orjson.dumps(answer[0]), shapes), reader.errors


def _holes(answer: Any, marked: list[Any]) -> dict[Piece, list[tuple[Any, Any]]]:
    """Where an answer has holes, by what fills them."""
    found: dict[Piece, list[tuple[Any, Any]]] = {}
    waiting = [answer]
    while waiting:
        within = waiting.pop()
        for key, one in within.items() if isinstance(within, dict) else enumerate(within):
            meaning = marked[one[MARK]] if isinstance(one, dict) and MARK in one else None
            if isinstance(meaning, Piece):
                found.setdefault(meaning, []).append((within, key))
            elif isinstance(one, dict | list):
                waiting.append(one)
    return found
