"""Where fields come from, as data: SQL that `schema/execution` composes into the one statement of a whole query.

The SQL of a source names what it needs by `string.Template`:

    $row        the alias of the row whose field it is; a root field has none
    $viewer     the id of who is asking; NULL when signed out
    $mature     whether lists show the viewer what is for adults
    $moderator  whether the viewer is a moderator
    $<name>     a value of the field's arguments (`Bound.values`); it is bound, never written into the SQL

and that of a page also $between, $order and $size. Who may see a row stands in the SQL of its source, said once. Aliases within
a source are its own: what stands for `$row` never clashes with them.

A source is local (`is_local`) if it reads nothing outside of its row's aggregate, which is what a sharded database would keep in
one place. Values and `Rows` are, unless they say otherwise; a `Row` and a `Page` are not.
"""

import enum
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from string import Template
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import orjson
from django.db.models import Model

from backend.engine.declarations import query
from backend.engine.errors import Refusal
from backend.engine.statements import Declared, Parameter, Result, compiled
from backend.pages import TIME, By, Window

ModelT = TypeVar("ModelT", bound=Model)


class Needs(enum.Enum):
    """Who may ask for a field at all. What is one's own is empty when signed out: a refusal would take all other fields away."""

    NOBODY = enum.auto()
    MODERATOR = enum.auto()


@dataclass(frozen=True, eq=False)
class Value:
    """An expression over the row; of a global id, for the keys in it, joined by colons."""

    sql: str
    is_wide: bool = False
    """Whether it is a number, never NULL, that may not fit into GraphQL's Int: there the greatest Int stands for it."""
    of: str | None = None
    """Of a global id: SQL for the name of the type of which it is, if that differs from row to row."""
    convert: Callable[[Any], Any] | None = None
    """Makes the value that is shown from the one that was read, where SQL cannot."""
    is_local: bool = True


@dataclass(frozen=True, eq=False)
class Row:
    """One row of the field's type, or none: a SELECT of that type's columns."""

    sql: str
    type: str | None = None
    """The name of the type that shows it, where the field's own is an interface."""
    inverse: str | None = None
    """The field of the row that leads back to the row from which it was found."""
    instead: Mapping[str, "Source"] = field(default_factory=dict)
    """Other sources for fields of a row that shows something else than what is stored now."""
    missing: Callable[[], Refusal] | None = None
    """Why there is no row, if the field may not be null."""
    logged_when: str | None = None
    """The condition, over the row that was found as `$row`, on which a look at it is logged."""
    is_local: bool = False


@dataclass(frozen=True, eq=False)
class Rows:
    """All rows that a SELECT finds, in its order."""

    sql: str
    inverse: str | None = None
    instead: Mapping[str, "Source"] = field(default_factory=dict)
    is_local: bool = True


@dataclass(frozen=True, eq=False)
class Same:
    """An object that shows the very same row; null unless the condition holds."""

    when: str
    is_local: bool = True


@dataclass(frozen=True, eq=False)
class Page:
    """A page of a list that is sorted by a time or a number, and then by id: both descending, unless `oldest_first`.

    The SELECT has the columns of the nodes' type, an `id`, and `place_at`, which is what it is sorted by. `$between` limits it to
    what lies between the cursors (as ` AND …`), `$order` sorts and limits it; both compare `at` and `id`. `$way` is its
    direction, ASC or DESC, `$size` how many are wanted, `$limit` one more, which tells whether there are more.
    """

    sql: str
    at: str
    id: str
    by: By = TIME
    oldest_first: bool = False
    when: str | None = None
    """The condition on which there is a list; it is null otherwise."""
    signed_out: str | None = None
    """What is selected instead for whoever is signed out."""
    total: Value | None = None
    """How many rows the whole list has."""
    needs: Needs = Needs.NOBODY
    is_local: bool = False


@dataclass(frozen=True, eq=False)
class OneOf:
    """A row of one of several types: the first that is found."""

    rows: tuple[Row, ...]


@dataclass(frozen=True, eq=False)
class ByIds:
    """Rows by `$keys`, in this order; null for each that is not found.

    The rows' SQL names `$key`, and `$owner` where an id holds two keys. `$types` and `$owners` are as long as `$keys`.
    """

    rows: tuple[Row, ...]


Source = Value | Row | Rows | Same | Page | OneOf | ByIds


class Shown(NamedTuple):
    """To whom a row is shown that a mutation has written, and what it shows with it. It is the row's attribute `shown`."""

    viewer_id: uuid.UUID
    instead: Mapping[str, Source] = MappingProxyType({})
    """Sources for fields that show something else than what is stored now."""
    values: Mapping[str, Any] = MappingProxyType({})
    """What these name, or functions that find it."""
    beside: Mapping[str, Any] = MappingProxyType({})
    """Rows that fields of it lead to, as they were written too."""
    lists: Mapping[str, Sequence[Any]] = MappingProxyType({})
    """All rows of fields of it that are lists, as they were written too. A plan reads them anew, unless `instead` says how."""


@dataclass(frozen=True)
class Bound:
    """A source with the values of the field's arguments; None stands for null."""

    source: Source | None
    values: Mapping[str, Any] = field(default_factory=dict)
    window: Window | None = None
    """Which part of a page is asked for."""


def columns_of(row: Model) -> dict[str, Any]:
    """The values of a row, by column."""
    return {str(one.column): one.value_from_object(row) for one in row._meta.concrete_fields}


def as_json(values: Any) -> str:
    """Values of rows as JSON, to be bound."""
    return orjson.dumps(values).decode()


def read(model: type[ModelT], row: Row, *, lock: str = "", **values: Any) -> Result[ModelT]:
    """The row of a source that names only these values, all of them ids: where a write has to know what the viewer finds.

    `lock` is how it is locked, such as FOR KEY SHARE.
    """
    return _read(model, row, lock, ids=_Ids(values))


class _Ids(dict[str, uuid.UUID]):
    """Ids by name, bound to a statement: its shape is which."""

    @property
    def shape(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self)

    def placeholder(self, name: str) -> Mapping[str, Parameter]:
        """A parameter for each."""
        return {one: Parameter.of(f"{name}.{one}", uuid.UUID) for one in self}

    def bound(self, name: str) -> Mapping[str, uuid.UUID]:
        """The ids."""
        return {f"{name}.{one}": value for one, value in self.items()}


@compiled
def _read(model: type[ModelT], row: Row, lock: str, *, ids: _Ids) -> Declared[ModelT]:
    text = Template(row.sql).substitute({name: f"%({name})s" for name in ids})
    return query(f"{text} {lock}", model, **ids)
