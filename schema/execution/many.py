"""The cut of a plan for many viewers: one statement reads what each of them may see of what each of them watches.

The rows that are asked for come as arrays, a viewer and a thing in each, and the same sources as for one viewer are composed over
them: who may see what is said nowhere else. Subscriptions share a statement if they have the same document and shape, and a
`Many` if the values of their variables are the same too.

Of each row it prints a number, a state and the JSON of the answer's data. Whoever is not signed in any more is left out.
"""

from collections.abc import Callable, Sequence
from functools import partial

import orjson
from django.conf import settings
from graphql import GraphQLField, GraphQLObjectType, get_named_type

from backend.live.hub import PARTS, STATE
from backend.live.subscriptions import HIDDEN, Asked, Thing
from backend.postgresql.reads import Statement
from backend.sources import Bound, Row
from schema.execution.compiler import Compiler
from schema.execution.document_limits import exceeded
from schema.execution.errors import BAD_USER_INPUT, LIMIT_EXCEEDED, shown
from schema.execution.fields import declared, source_of
from schema.execution.graphql_schema import GRAPHQL
from schema.execution.markers import has_marks
from schema.execution.measuring import excess_of, unless_too_long
from schema.execution.operations import Details, Selection
from schema.execution.parts import GIVEN, Names, Scope, Shape, joined, object_of
from schema.execution.plans import LIMIT, Binding, Plan
from schema.execution.printing import literal
from schema.live import WATCHED, Live
from schema.nodes import node_types

ARRAYS = {
    "viewers": "uuid",
    "tokens": "bytea",
    "ids": "text",
    "types": "text",
    "keys": "uuid",
    "owners": "uuid",
    "extras": "text",
}
"""What is bound, by name: an array of this type each."""
COLUMNS = "viewer, token, id, type, key, owner, extra, number"
AT_ONCE = 500
"""How many rows one statement may be asked for."""
CHARACTERS_AT_ONCE = 8_000_000
"""How many characters of long texts it may print for them, where each text is as long as it can be."""
VIEWER = """
SELECT person.id, person.show_mature, COALESCE(account.is_moderator AND account.is_active, FALSE) AS is_moderator
FROM people_person AS person LEFT JOIN people_account AS account ON account.person_id = person.id
WHERE person.id = asked.viewer AND person.left_at IS NULL AND (asked.token IS NULL OR (account.is_active AND EXISTS (
    SELECT FROM people_accesstoken AS token
    WHERE token.digest = asked.token AND token.account_id = person.id AND token.expires_at > now())))"""
"""Who asks, as long as they are signed in."""

Extra = Callable[[Thing], str | None]
"""What the server knows of a thing that the database does not, as JSON."""


class Many:
    """Subscriptions that are read together."""

    def __init__(
        self, selection: Selection, plan: Plan, live: Live, *, cost: int, characters: int, a_minute: int, extra: Extra
    ) -> None:
        self.field = _root(selection)[1][0].node.name.value
        self.is_list = live.is_list
        self.statement, self.cost, self.a_minute = plan.statement, cost, a_minute
        self.most = max(1, min(AT_ONCE, CHARACTERS_AT_ONCE // max(characters, 1)))
        self._plan, self._live, self._extra = plan, live, extra
        self._binding = Binding(selection)

    def bind(self, asked: Sequence[Asked]) -> list[bytes | None]:
        """What is bound to the statement for these."""
        viewers = [subscription.viewer for subscription, _ in asked]
        things = [thing for _, thing in asked]
        given = {
            "viewers": [one.id for one in viewers],
            "tokens": [one.token for one in viewers],
            "ids": [one.id for one in things],
            "types": [one.type for one in things],
            "keys": [one.key for one in things],
            "owners": [one.owner for one in things],
            "extras": [self._extra(one) if self._live.is_of_server else None for one in things],
            LIMIT: settings.MAX_ANSWER_CHARACTERS,
        }
        return self._binding.values(self._plan, given)

    def differs(self, sent: bytes | None, state: bytes) -> bool:
        """Whether a client that has `sent` is to be told of what is so now. `sent` is None before anything was."""
        return sent != state and not (self._live.state and state == HIDDEN)

    def payload(self, printed: bytes, viewer: str) -> bytes:
        """The execution result, as JSON."""
        excess = excess_of(printed)
        if excess is not None:
            error = exceeded("answer", "characters in the values of the answer", excess, settings.MAX_ANSWER_CHARACTERS)
            return orjson.dumps({"errors": [shown(error, LIMIT_EXCEEDED).formatted], "data": None})
        if not has_marks(printed):
            return b'{"data":' + printed + b"}"
        reader = self._binding.reader(self._plan, viewer)
        data = reader.data(printed, self._plan.shapes)
        errors = [shown(error, BAD_USER_INPUT).formatted for error in reader.errors]
        return orjson.dumps({"errors": errors, "data": data} if errors else {"data": data})


def live_of(selection: Selection) -> Live:
    """How the field that a subscription selects is read."""
    _, details = _root(selection)
    assert GRAPHQL.subscription_type is not None
    live: Live = declared(GRAPHQL.subscription_type.fields[details[0].node.name.value]).metadata[WATCHED]
    return live


def _root(selection: Selection) -> tuple[str, Details]:
    ((name, details),) = selection.root().items()
    return name, details


def plan_of(selection: Selection, types: Sequence[str], *, signed_in: bool, is_measured: bool) -> Plan:
    """The statement of a subscription to things of these types."""
    compiler = Compiler(selection, Binding(selection).source, signed_in=signed_in, names={"token": "asked.token"})
    told, shapes = _Told(compiler, selection, is_measured=is_measured).sql(types)
    arrays = ", ".join(f"{compiler.parameter(GIVEN, name)}::{type_}[]" for name, type_ in ARRAYS.items())
    rows = f"unnest({arrays}) WITH ORDINALITY AS asked ({COLUMNS})"
    if signed_in:
        rows += f" CROSS JOIN LATERAL ({VIEWER}) AS viewer"
    parts, state = literal(PARTS.decode()), literal(STATE.decode())
    printed = f"asked.number || {state} || told.state || {state} || told.printed"
    sql = f"SELECT string_agg({printed}, {parts} ORDER BY asked.number) FROM {rows} CROSS JOIN LATERAL ({told}) AS told"
    return Plan(Statement.of(sql), tuple(compiler.parameters), shapes, tuple(compiler.marked))


class _Told:
    """What is told of one row that is asked for: its state, and the data of the answer."""

    def __init__(self, compiler: Compiler, selection: Selection, *, is_measured: bool) -> None:
        assert GRAPHQL.subscription_type is not None
        self._compiler, self._is_measured = compiler, is_measured
        self._name, self._details = _root(selection)
        self._field = GRAPHQL.subscription_type.fields[self._details[0].node.name.value]
        self._live = live_of(selection)
        self._shapes: dict[str, Shape] = {}

    def sql(self, types: Sequence[str]) -> tuple[str, dict[str, Shape]]:
        """A SELECT of `state` and `printed` over `asked`, and the shapes of what is printed."""
        if self._live.source is None:
            return self._of_things(types), self._shapes
        source = self._live.source
        value = self._measured(partial(self._of_source, source))
        state = (
            f"coalesce({self._names('asked').of(self._live.state)}, '')" if self._live.state else "md5(value.printed)"
        )
        return (
            f"SELECT {state} AS state, value.printed FROM (SELECT {value} AS printed OFFSET 0) AS value",
            self._shapes,
        )

    def _of_source(self, source: Row) -> str:
        asked = Scope("asked", {}, {self._details[0].node.name.value: source})
        return self._data(self._compiler.shaped("Subscription", self._field, self._details, asked, self._shapes))

    def _of_things(self, types: Sequence[str]) -> str:
        """The thing by its type, if the viewer may see it; otherwise what is told of any that is not there."""
        found = " UNION ALL ".join(map(self._of_type, types)) or "SELECT NULL AS state, NULL AS printed WHERE FALSE"
        nothing = self._data(self._change(literal("null"), None))
        return (
            f"SELECT coalesce(found.state, {literal(HIDDEN.decode())}) AS state, coalesce(found.printed, {nothing}) AS printed "
            f"FROM (SELECT) AS one LEFT JOIN ({found}) AS found ON TRUE"
        )

    def _of_type(self, name: str) -> str:
        compiler, look_up = self._compiler, node_types()[name].look_up
        alias, type_ = compiler.alias(), GRAPHQL.type_map[name]
        assert isinstance(type_, GraphQLObjectType)
        names = self._names("asked")
        names.given |= {"key": "asked.key", "owner": "asked.owner"}
        rows = names.of(look_up.sql)
        source = source_of(name, type_.fields["version"])
        version = self._names(alias).of(source.sql)  # type: ignore[union-attr]
        thing = type_, Scope(alias, {}, look_up.instead)
        printed = self._measured(lambda: self._data(self._change(version, thing)))
        return (
            f"SELECT ({version})::text AS state, {printed} AS printed FROM ({rows}) AS {alias} "
            f"WHERE asked.type = {literal(name)}"
        )

    def _change(self, version: str, thing: tuple[GraphQLObjectType, Scope] | None) -> str:
        """The object of a change."""
        change = get_named_type(self._field.type)
        shape = self._shapes.setdefault(self._name, Shape(self._field.type))
        return object_of(
            change, self._compiler.below(change, self._details), partial(self._of_change, shape.fields, version, thing)
        )

    def _of_change(
        self,
        shapes: dict[str, Shape],
        version: str,
        thing: tuple[GraphQLObjectType, Scope] | None,
        name: str,
        definition: GraphQLField,
        details: Details,
    ) -> str:
        shape = shapes.setdefault(name, Shape(definition.type))
        match details[0].node.name.value:
            case "id":
                return "'\"' || asked.id || '\"'"
            case "version":
                return literal("null") if thing is None else f"""'"' || ({version})::text || '"'"""
            case _:
                if thing is None:
                    return literal("null")
                type_, scope = thing
                return self._compiler.selected(type_, details, scope, shape.fields)

    def _measured(self, print_: Callable[[], str]) -> str:
        """The expression; where its texts may be too long, they are measured first."""
        answer = print_()
        if not self._is_measured:
            return answer
        self._compiler.measuring = True
        lengths = print_()
        self._compiler.measuring = False
        return unless_too_long(answer, lengths, self._compiler.parameter(GIVEN, LIMIT))

    def _data(self, value: str) -> str:
        """The object of the answer's data."""
        return joined([literal(f'{{"{self._name}":'), value, literal("}")])

    def _names(self, alias: str) -> Names:
        return Names(self._compiler, alias, GIVEN, Bound(None))
