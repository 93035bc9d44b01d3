"""Statements that are declared with Django's ORM and compiled once: the conditioned `update()` of a mutation, and all beside it.

A declaration is a function that returns what is to be done, and `@compiled` makes of it one that does it:

    @compiled
    def rename(*, person: uuid.UUID, name: str, seen: Expected) -> Declared[Person]:
        return update(
            Person.objects.filter(unchanged(Person, seen, ["name"]), pk=person),
            name=name, **stamped(Person, ["name"]),
        )

    row = rename(person=me, name="Asha", seen=seen).row

The function runs once for each shape, with a placeholder for each of its keyword arguments. The SQL that Django makes of what it
returns is kept with the order of the placeholders, and runs as a prepared statement ever after. So

- a positional argument says what the statement looks like (a side of a pair, a status), a keyword argument what is bound to it;
- a keyword argument is annotated with the type that it has in PostgreSQL, or is an `Expected` or `Values`, which have a shape;
- nothing else may differ from call to call: no id is made in a declaration, no setting read.

The call returns a `Result`. The statement waits in the connection's `pipeline` until somebody looks at a result.
"""

import uuid
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from functools import update_wrapper
from inspect import signature
from types import NoneType, UnionType
from typing import Any, Final, Generic, ParamSpec, Protocol, TypeVar, get_args, get_type_hints

from django.contrib.postgres.fields import ArrayField
from django.db import DEFAULT_DB_ALIAS, connection, models
from django.db.models.base import ModelState
from psycopg import sql
from psycopg.pq.abc import PGresult

from backend.engine.effects import Condition, Effect
from backend.engine.pipeline import Pipeline, Sent, Statement, current
from backend.engine.values import JSON, WRITERS, Writers

RowT = TypeVar("RowT")
ArgumentsT = ParamSpec("ArgumentsT")

Json = Any
"""Annotates a keyword argument that is bound as jsonb."""

TYPES: Mapping[Any, tuple[str, "type[models.Field[Any, Any]]"]] = {
    uuid.UUID: ("uuid", models.UUIDField),
    str: ("text", models.TextField),
    int: ("bigint", models.BigIntegerField),
    bool: ("boolean", models.BooleanField),
    bytes: ("bytea", models.BinaryField),
    datetime: ("timestamptz", models.DateTimeField),
    date: ("date", models.DateField),
    timedelta: ("interval", models.DurationField),
    Json: ("jsonb", models.JSONField),
}
"""PostgreSQL's type and Django's field for each annotation. A list of one is an array."""


class Parameter(models.Expression):
    """Stands for a value in a declaration."""

    def __init__(self, name: str, type_: str, output_field: "models.Field[Any, Any]") -> None:
        super().__init__(output_field)
        self.name, self.type = name, type_

    @classmethod
    def of(cls, name: str, annotation: Any) -> "Parameter":
        """One of the type that this annotation says."""
        (of,) = get_args(annotation) or (None,)
        if of is not None:
            type_, field = TYPES[of]
            return cls(name, f"{type_}[]", ArrayField(field()))
        type_, field = TYPES[annotation]
        return cls(name, type_, field())

    @classmethod
    def of_field(cls, name: str, field: "models.Field[Any, Any]") -> "Parameter":
        """One for the value of a model's field."""
        return cls(name, _type_of(field), field)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:  # noqa: ARG002
        """The placeholder."""
        return "%s", [self]

    @property
    def writers(self) -> Writers:
        """What writes a value that is bound to it as text, by its class."""
        return JSON if self.type == "jsonb" else WRITERS


def _type_of(field: "models.Field[Any, Any]") -> str:
    """The type of a field's column, without a length: a cast to one would cut a text silently."""
    if isinstance(field, models.ForeignKey):
        return _type_of(field.target_field)
    if isinstance(field, ArrayField):
        return f"{_type_of(field.base_field)}[]"
    if isinstance(field, models.CharField):
        return "text"
    if isinstance(field, models.IntegerField):
        return "bigint"
    return next(name for name, of in TYPES.values() if isinstance(field, of))


class Shaped(Protocol):
    """A keyword argument that holds several values, and of which the statement's look depends."""

    @property
    def shape(self) -> Hashable:
        """What the statement's look depends on."""

    def placeholder(self, name: str) -> Any:
        """What the declaration gets in its place, with a `Parameter` for each value."""

    def bound(self, name: str) -> Mapping[str, Any]:
        """The values, by the names of those parameters."""


class Values(dict[str, Any]):
    """Values for some of a model's fields, by name: the shape is which."""

    def __init__(self, model: type[models.Model], values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self._model = model

    @property
    def shape(self) -> Hashable:
        """The names of the fields."""
        return tuple(self)

    def placeholder(self, name: str) -> Mapping[str, Parameter]:
        """A parameter for each field."""
        fields = {one: self._model._meta.get_field(one) for one in self}
        return {one: Parameter.of_field(f"{name}.{one}", field) for one, field in fields.items()}  # type: ignore[arg-type]

    def bound(self, name: str) -> Mapping[str, Any]:
        """The values."""
        return {f"{name}.{one}": value for one, value in self.items()}


# --- Compiling ------------------------------------------------------------------------------------------------------

BEFORE = "before_"
"""Begins the names of result columns that hold a row's values before the statement."""


@dataclass(frozen=True)
class Declared(Generic[RowT]):
    """What a declaration returns: SQL with `%s` for each of its parameters, placeholders or constants."""

    sql: str
    parameters: Sequence[Any]
    model: type[models.Model] | None = None
    """What its rows are; None for tuples."""
    effect: Effect | None = None
    """What it does to versioned rows; None for an insert and for SQL of our own."""

    def run(self) -> "Result[RowT]":
        """Send it as it is, once. For what is not part of any mutation, such as a job."""
        return Plan(self, is_kept=False).run({})


class Compiled(Generic[ArgumentsT, RowT]):
    """A declaration, and its plans by shape."""

    def __init__(self, declare: Callable[ArgumentsT, Declared[RowT]]) -> None:
        self._declare = declare
        self._annotations = _bound(declare)
        self._shaped = [name for name, one in self._annotations.items() if one not in TYPES and not get_args(one)]
        self.plans: dict[Hashable, Plan] = {}
        update_wrapper(self, declare)
        DECLARATIONS.append(self)

    def __call__(self, *looks: ArgumentsT.args, **values: ArgumentsT.kwargs) -> "Result[RowT]":
        """Let the statement be sent. Raises RuntimeError for a write outside of a unit of work."""
        shape: tuple[Any, ...] = looks
        bound: dict[str, Any] = values
        for name in self._shaped:
            one: Shaped = bound[name]
            shape = (*shape, one.shape)
            bound |= one.bound(name)
        plan = self.plans.get(shape)
        if plan is None:
            plan = self.plans[shape] = self._plan(looks, values)
        return plan.run(bound)

    def _plan(self, looks: tuple[Any, ...], values: Mapping[str, Any]) -> "Plan":
        placeholders = {
            name: values[name].placeholder(name) if name in self._shaped else Parameter.of(name, annotation)
            for name, annotation in self._annotations.items()
        }
        declared: Declared[Any] = self._declare(*looks, **placeholders)  # type: ignore[arg-type]
        if declared.effect is not None:
            declared.effect.require_sound(
                is_conditioned=any(isinstance(one, Condition) for one in placeholders.values())
            )
        return Plan(declared)


DECLARATIONS: Final[list[Compiled[Any, Any]]] = []
"""All of them, in the order in which their modules were loaded."""


def compiled(declare: Callable[ArgumentsT, Declared[RowT]]) -> Compiled[ArgumentsT, RowT]:
    """Make of a declaration a statement that is compiled once for each shape."""
    return Compiled(declare)


def _bound(declare: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of what is bound, without "or None"."""
    hints = get_type_hints(declare)
    keywords = [one.name for one in signature(declare).parameters.values() if one.kind is one.KEYWORD_ONLY]
    return {name: _without_none(hints[name]) for name in keywords}


def _without_none(annotation: Any) -> Any:
    if isinstance(annotation, UnionType):
        (annotation,) = (one for one in get_args(annotation) if one is not NoneType)
    return annotation


def require_unit_of_work(pipeline: Pipeline) -> None:
    """Raise RuntimeError outside of a transaction of this connection."""
    if not pipeline.wrapper.in_atomic_block:
        raise RuntimeError("Writes belong to a unit of work: call this through transactions.unit_of_work().")


class Plan:
    """A statement that is ready to be sent, and how its rows are read."""

    def __init__(self, declared: Declared[Any], *, is_kept: bool = True) -> None:
        self.effect = declared.effect
        self._parameters: list[Parameter] = []
        placed = [self._place(one) for one in declared.parameters]
        self._bound = [(one.name, one.writers) for one in self._parameters]
        text = declared.sql % tuple(placed)
        self.statement = Statement.of(text) if is_kept else Statement(text.encode(), b"")
        self._writes = not text.lstrip().upper().startswith("SELECT")
        self._reader = _Reader(declared.model)

    def _place(self, one: Any) -> str:
        """What stands in the SQL for a placeholder, or a constant."""
        if not isinstance(one, Parameter):
            constant = list(one) if isinstance(one, tuple) else one.value if isinstance(one, Enum) else one
            return sql.Literal(constant).as_string(connection.connection)
        known = [parameter.name for parameter in self._parameters]
        if one.name not in known:
            self._parameters.append(one)
            known.append(one.name)
        return f"${known.index(one.name) + 1}::{one.type}"

    def run(self, values: Mapping[str, Any]) -> "Result[Any]":
        """Let it be sent with these values."""
        pipeline = current()
        if self._writes:
            require_unit_of_work(pipeline)
        texts = [writers[type(value := values[name])](value) for name, writers in self._bound]
        sent = Sent(self.statement, texts)
        return Result(pipeline, pipeline.send(sent), self._reader)


class Result(Generic[RowT]):
    """What a statement does. To look at it sends the statement, if it still waits, and raises Django's database errors."""

    __slots__ = ("_pipeline", "_reader", "_rows", "_sent")

    def __init__(self, pipeline: Pipeline, sent: Sent, reader: "_Reader") -> None:
        self._pipeline, self._sent, self._reader = pipeline, sent, reader
        self._rows: list[RowT] | None = None

    def check(self, accept: Callable[[int], None]) -> None:
        """Let this look at the count before anybody sees the result of a later statement: what it raises refuses those too."""
        self._sent.check = lambda result: accept(result.command_tuples or 0)
        if self._sent.result is not None:
            self._sent.check(self._sent.result)

    @property
    def rows(self) -> list[RowT]:
        """The rows that it returns."""
        if self._rows is None:
            self._rows = self._reader.rows(self._pipeline.result(self._sent), self._pipeline)
        return self._rows

    @property
    def row(self) -> RowT | None:
        """The first row; None if there is none."""
        rows = self.rows
        return rows[0] if rows else None

    @property
    def count(self) -> int:
        """How many rows it wrote, or found."""
        return self._pipeline.result(self._sent).command_tuples or 0


class _Reader:
    """Makes rows of results. Which columns are whose is found out once: a statement names them, so they are always the same."""

    def __init__(self, model: type[models.Model] | None) -> None:
        self._model = model
        self._columns: Columns | None = None

    def rows(self, result: PGresult, pipeline: Pipeline) -> list[Any]:
        """All rows of a result."""
        if not result.ntuples:
            return []
        values = pipeline.rows_of(result)
        if self._model is None:
            return values
        if self._columns is None:
            self._columns = Columns(self._model, [result.fname(number) for number in range(result.nfields)])
        return [self._columns.row(one) for one in values]


class Columns:
    """Which columns of a result are fields of a model, and in which order."""

    def __init__(self, model: type[models.Model], names: list[bytes | None]) -> None:
        places = {(name or b"").decode(): number for number, name in enumerate(names)}
        fields = [field for field in model._meta.concrete_fields if field.column in places]
        self._model, self._fields = model, [(field.attname, places.pop(str(field.column))) for field in fields]
        self._converters = [(field.attname, field.from_db_value) for field in fields if hasattr(field, "from_db_value")]
        attributes = {str(field.column): field.attname for field in model._meta.concrete_fields}
        self._before = [
            (attributes[name.removeprefix(BEFORE)], place) for name, place in places.items() if name.startswith(BEFORE)
        ]
        self._more = [(name, place) for name, place in places.items() if not name.startswith(BEFORE)]

    def row(self, values: Sequence[Any]) -> Any:
        """A row of the model; what is no field of it is an attribute of that name.

        It is what `Model.from_db` makes, without its signals, to which nobody listens: each field is looked at only once.
        """
        row: Any = self._model.__new__(self._model)
        row._state = state = ModelState()
        state.adding, state.db = False, DEFAULT_DB_ALIAS
        fields = vars(row)
        for name, place in self._fields:
            fields[name] = values[place]
        for name, convert in self._converters:
            fields[name] = convert(fields[name], None, connection)
        if self._before:
            row.before = {name: values[place] for name, place in self._before}
        for name, place in self._more:
            setattr(row, name, values[place])
        return row
