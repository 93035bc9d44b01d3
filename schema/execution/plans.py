"""Plans: the one statement that reads a whole operation, kept for each document and shape of what is asked for.

The shape is all that changes the statement: whether somebody is signed in, what `@skip` and `@include` leave out, which sources
the arguments choose, and which part of a page is asked for. Everything else is bound when the statement is run.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from django.conf import settings
from graphql import FieldNode, GraphQLField, GraphQLObjectType

from backend.engine import fibers
from backend.engine.values import as_text
from backend.postgresql.reads import Statement
from backend.postgresql.session import MAX_STATEMENT_BYTES
from backend.sources import Bound
from schema.execution.compiler import Compiler
from schema.execution.fields import bound
from schema.execution.markers import Marked, Reader
from schema.execution.measuring import unless_too_long
from schema.execution.operations import Details, Selection
from schema.execution.parts import GIVEN, Parameter, Shape
from schema.execution.sites import Sites

MAXPLANS = 2_000
MAX_BYTES = 100_000_000
"""The maximum size of all plans of a process together."""
BYTES_A_CHARACTER = 100
"""The memory of each character of a document: a plan keeps its document, whose nodes it names."""
LARGEST = MAX_BYTES // 20
"""Larger plans are not kept."""
LIMIT = "limit"
"""The name of the value that the texts of an answer may have in all, in bytes."""
CHARACTERS_A_FIELD = 2
"""How many characters of a new statement cost as much as a field of an answer. To read the document, compose the statement and
plan it in PostgreSQL takes one or two microseconds for each, to print a field about three.
"""

REFUSED: Final = "refused"
"""The shape of a field whose arguments are refused. It differs from that of a field which is null: None."""

VIEWER = {
    "token": """
SELECT person.id, person.show_mature, account.is_moderator, token.last_used_at < now() - interval '1 hour' AS use_is_unnoted
FROM people_accesstoken AS token
JOIN people_account AS account ON account.person_id = token.account_id AND account.is_active
JOIN people_person AS person ON person.id = account.person_id
WHERE token.digest = {}::bytea AND token.expires_at > now()""",
    "person": """
SELECT person.id, person.show_mature, COALESCE(account.is_moderator AND account.is_active, FALSE) AS is_moderator,
    FALSE AS use_is_unnoted
FROM people_person AS person LEFT JOIN people_account AS account ON account.person_id = person.id WHERE person.id = {}::uuid""",
}
"""By how they are known, who is asking."""


@dataclass(frozen=True)
class Plan:
    """A statement, and what is bound to it."""

    statement: Statement
    parameters: Sequence[Parameter]
    shapes: Mapping[str, Shape]
    marked: Sequence[Marked]
    columns: Mapping[str, Set[str]] = field(default_factory=dict)
    """What is asked of each row that is bound, by its alias: as JSON each column is made and read, and a text may be long."""

    @property
    def price(self) -> int:
        """What its sender is charged for it when it is new, or `is_large`."""
        return price_of(len(self.statement.sql))

    @property
    def is_large(self) -> bool:
        """Whether it is too large to be prepared: PostgreSQL reads and plans it each time, which takes long and much memory."""
        return len(self.statement.sql) > MAX_STATEMENT_BYTES


def price_of(characters: int) -> int:
    """What is charged for a statement of this length."""
    return characters // CHARACTERS_A_FIELD


class Binding:
    """The sources and values of one request."""

    def __init__(self, selection: Selection) -> None:
        self._values = selection.values
        sites = selection.operation.sites
        self.bound = sites.constant.copy()
        for number, site in sites.varying.items():
            self.bound[number] = bound(site.owner, site.definition, site.node, selection.values)
        shape = [_shape_of(self.bound[number]) for number in sites.varying]
        self.shape: Hashable = (tuple(shape), sites.left_out(selection.values.coerced))

    def source(self, owner: str, definition: GraphQLField, node: FieldNode) -> "Bound | Exception":
        """The source of a field."""
        found = self.bound.get(id(node))
        return bound(owner, definition, node, self._values) if found is None else found

    def values(self, plan: Plan, given: Mapping[str, Any]) -> list[bytes | None]:
        """What is bound to the plan's statement."""
        return [as_text(self._value(parameter, given)) for parameter in plan.parameters]

    def _value(self, parameter: Parameter, given: Mapping[str, Any]) -> Any:
        if parameter.site == GIVEN:
            value = given[parameter.name]
            return value() if callable(value) else value
        found = self.bound[parameter.site]
        assert isinstance(found, Bound)
        if parameter.name in found.values:
            return found.values[parameter.name]
        window: Any = found.window
        end, part = parameter.name.split("_")
        return getattr(window, end)[part == "id"]

    def fixed(self, plan: Plan) -> tuple[bytes | None, ...]:
        """Those of the values that the request alone decides."""
        return tuple(as_text(self._value(one, {})) for one in plan.parameters if one.site != GIVEN)

    def reader(self, plan: Plan, viewer: str) -> Reader:
        """What reads an answer with marks."""
        refusals = {number: one for number, one in self.bound.items() if isinstance(one, Exception)}
        return Reader(plan.marked, refusals, viewer)


def _limit() -> int:
    return int(settings.MAX_ANSWER_CHARACTERS)


def _shape_of(found: "Bound | Exception") -> Hashable:
    if isinstance(found, Exception):
        return REFUSED
    window = found.window
    if window is None:
        return found.source
    return found.source, window.size, window.backward, window.after is None, window.before is None


class _Plans:
    """The plans that were used last."""

    def __init__(self) -> None:
        self._plans: OrderedDict[Hashable, tuple[Plan, int]] = OrderedDict()
        self.bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._plans)

    def get(self, key: Hashable) -> Plan | None:
        """The plan, if it is kept."""
        with self._lock:
            found = self._plans.get(key)
            if found is None:
                return None
            self._plans.move_to_end(key)
            return found[0]

    def keep(self, key: Hashable, plan: Plan, sites: Sites) -> None:
        """Keep a plan; those that were not used for longest make room."""
        size = len(plan.statement.sql) + BYTES_A_CHARACTER * sites.characters
        if size > LARGEST:
            return
        with self._lock:
            _, before = self._plans.pop(key, (None, 0))  # another thread may have been as quick
            self._plans[key] = plan, size
            self.bytes += size - before
            while len(self._plans) > MAXPLANS or self.bytes > MAX_BYTES:
                _, (_, gone) = self._plans.popitem(last=False)
                self.bytes -= gone


PLANS: Final = _Plans()
"""The plans of this process."""


class Query:
    """The planned part of an operation, with the values of one request."""

    def __init__(self, selection: Selection, planned: Sequence[str], *, is_measured: bool) -> None:
        self._selection, self._planned, self._is_measured = selection, planned, is_measured
        self._binding = Binding(selection)
        operation = selection.operation
        self._key = (operation.sites, id(operation.node), self._binding.shape, is_measured)

    def kept(self, known_by: str | None) -> Plan | None:
        """The plan for a viewer who is known in this way, or for who is signed out, if it has been made."""
        return PLANS.get((self._key, known_by))

    def plan(self, known_by: str | None) -> Plan:
        """The same, made now."""
        compiler = Compiler(self._selection, self._binding.source, signed_in=known_by is not None)
        plan = _plan(compiler, lambda: compiler.root(set(self._planned)), "", known_by, is_measured=self._is_measured)
        PLANS.keep((self._key, known_by), plan, self._selection.operation.sites)
        return plan

    def values(self, plan: Plan, given: Mapping[str, Any]) -> list[bytes | None]:
        """What is bound to its statement."""
        return self._binding.values(plan, {**given, LIMIT: _limit})

    def reader(self, plan: Plan, viewer: str) -> Reader:
        """What reads an answer with marks."""
        return self._binding.reader(plan, viewer)


class RowPlans:
    """The plans that show what a mutation has written, with the values of one request."""

    def __init__(
        self, selection: Selection, charge: Callable[[int], None], token: bytes | None, *, is_measured: bool
    ) -> None:
        self._selection, self._charge, self._is_measured = selection, charge, is_measured
        self.token = token
        """The digest of the request's token."""
        self.binding = Binding(selection)

    def plan(self, type_: GraphQLObjectType, details: Details, given: Any) -> Plan:
        """The plan of an object that shows a given row (`rows.Given`). Who asks for a new or a large one is charged for it."""
        sites, nodes = self._selection.operation.sites, tuple(id(one.node) for one in details)
        key = (sites, nodes, type_.name, self.binding.shape, given.shape, self._is_measured)
        plan = PLANS.get(key)
        if plan is None:
            plan = fibers.blocking(partial(self._made, type_, details, given))
            self._charge(plan.price)
            PLANS.keep(key, plan, sites)
        elif plan.is_large:
            self._charge(plan.price)
        return plan

    def _made(self, type_: GraphQLObjectType, details: Details, given: Any) -> Plan:
        """The same, made now, which takes up to some 50 ms."""
        compiler = Compiler(self._selection, self.binding.source, signed_in=True)
        rows = " CROSS JOIN ".join(f"(SELECT * FROM {compiler.bound(sql)}) AS {alias}" for alias, sql in given.rows)
        made = partial(compiler.of_row, type_, details, given.scope)
        plan = _plan(compiler, made, rows, "person", is_measured=self._is_measured)
        columns = {alias: _columns(plan.statement.sql.decode(), alias) for alias, _ in given.rows}
        return replace(plan, columns=columns)


def _columns(sql: str, alias: str) -> Set[str]:
    """Which columns of a row the SQL names. Sources name all that they use, never the row itself."""
    return frozenset(re.findall(rf'\b{alias}\."?(\w+)', sql))


def _plan(
    compiler: Compiler,
    compile_: Callable[[], tuple[str, Mapping[str, Shape]]],
    rows: str,
    known_by: str | None,
    *,
    is_measured: bool,
) -> Plan:
    answer, shapes = compile_()
    if is_measured:
        compiler.measuring = True
        answer = unless_too_long(answer, compile_()[0], compiler.parameter(GIVEN, LIMIT))
    sql, joined = f"SELECT {answer} AS answer", f" CROSS JOIN {rows}" if rows else ""
    if known_by is not None:
        viewer = VIEWER[known_by].format(compiler.parameter(GIVEN, "viewer"))
        sql = f"{sql}, viewer.id, viewer.use_is_unnoted FROM ({viewer}) AS viewer{joined}"
    elif rows:
        sql = f"{sql} FROM {rows}"
    return Plan(Statement.of(sql), tuple(compiler.parameters), shapes, tuple(compiler.marked))
