"""What a statement can do, declared with Django's ORM: `update`, `delete`, `insert` and `select`, each of one statement.

A `Parameter` may stand wherever Django takes an expression; see `statements`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from django.core.exceptions import EmptyResultSet, FullResultSet
from django.db import connection, models
from django.db.models.expressions import RawSQL
from django.db.models.fields import NOT_PROVIDED
from django.db.models.sql import DeleteQuery, Query, UpdateQuery
from django.db.models.sql.where import WhereNode

from backend.engine.effects import Effect
from backend.engine.removal import is_removal_guarded, removing
from backend.engine.statements import BEFORE, Declared, Json

ModelT = TypeVar("ModelT", bound=models.Model)


RowT = TypeVar("RowT")

ALL_COLUMNS = re.compile(r"\A\s*SELECT (\w+)\.\*")
"""Begins SQL of our own that selects a model's rows."""
ANY_KEY = ("*",)
"""As the `key` of an insert: any unique key of the table, also one that holds for some rows only."""


def select(rows: "models.QuerySet[Any, RowT]") -> Declared[RowT]:
    """What a query set finds: rows of its model, or tuples if it asks for `values_list`."""
    is_of_values = rows.query.values_select or rows.query.annotation_select_mask or not rows.query.default_cols
    text, parameters = rows.query.get_compiler(connection=connection).as_sql()
    return Declared(text, parameters, None if is_of_values else rows.model, Effect.of(rows.query))


def update(rows: "models.QuerySet[ModelT]", /, **values: Any) -> Declared[ModelT]:
    """`UPDATE … WHERE … RETURNING`: the rows that were updated; none if the condition failed."""
    query = _updating(rows, values)
    text, parameters = _text_of(query)
    return Declared(f"{text} RETURNING {_columns(rows.model)}", parameters, rows.model, Effect.of(query))


def update_all(rows: "models.QuerySet[Any]", /, **values: Any) -> Declared[Any]:
    """`update` of many rows, of which only the count is told."""
    query = _updating(rows, values)
    text, parameters = _text_of(query)
    return Declared(text, parameters, effect=Effect.of(query))


def replace(rows: "models.QuerySet[ModelT]", /, **values: Any) -> Declared[ModelT]:
    """`update`; each row has the attribute `before`, the values that it had, by field.

    Before PostgreSQL 18, RETURNING gives only the new row. So a subquery of the same statement locks and reads the
    rows; it waits for concurrent writers and re-checks the condition as the UPDATE would (PostgreSQL manual, section
    13.2.1).
    """
    query = _updating(rows, values)
    compiler, effect = query.get_compiler(connection=connection), Effect.of(query)
    try:
        condition, condition_parameters = compiler.compile(query.where)
    except FullResultSet:
        condition, condition_parameters = "true", ()
    query.where = WhereNode()
    text, parameters = compiler.as_sql()
    table, key = _quoted(rows.model._meta.db_table), _quoted(_key(rows.model))
    earlier = ", ".join(f"earlier.{_quoted(name)} AS {BEFORE}{name}" for name in _names(rows.model))
    return Declared(
        f"{text} FROM (SELECT * FROM {table} WHERE {condition} FOR NO KEY UPDATE) AS earlier "
        f"WHERE {table}.{key} = earlier.{key} RETURNING {_columns(rows.model, table)}, {earlier}",
        (*parameters, *condition_parameters),
        rows.model,
        effect,
    )


def delete(rows: "models.QuerySet[ModelT]") -> Declared[ModelT]:
    """`DELETE … WHERE … RETURNING`: the rows that were deleted; none if the condition failed."""
    text, parameters = _text_of(_deleting(rows))
    return Declared(f"{text} RETURNING {_columns(rows.model)}", parameters, rows.model, Effect.of(rows.query))


def delete_all(rows: "models.QuerySet[Any]") -> Declared[Any]:
    """`delete` of many rows, of which only the count is told."""
    text, parameters = _text_of(_deleting(rows))
    return Declared(text, parameters, effect=Effect.of(rows.query))


def insert(
    model: type[ModelT],
    key: Sequence[str] = (),
    /,
    *,
    lock: bool = False,
    when: models.Expression | models.Exists | None = None,
    **values: Any,
) -> Declared[ModelT]:
    """`INSERT … RETURNING`, with `key` `… ON CONFLICT`: the new row; none if there is one with this key already.

    Of two concurrent inserts with one key the second waits. With `lock`, the row that is there is locked, but not changed. With
    `when`, nothing is inserted unless this holds.
    Columns that are not named get their defaults. Raises LookupError for a default that differs from row to row: name it.
    """
    fields = model._meta.concrete_fields
    unknown = set(values) - {name for field in fields for name in (field.name, field.attname)}
    if unknown:
        raise LookupError(f"{model.__name__} has no column {', '.join(sorted(unknown))}.")
    given = {field: _given(field, values) for field in fields}
    given = {field: value for field, value in given.items() if value is not _LEFT_OUT}
    compiler = Query(model).get_compiler(connection=connection)
    compiled = [_compiled(compiler, field, value) for field, value in given.items()]
    text = f"INSERT INTO {_quoted(model._meta.db_table)} ({', '.join(_quoted(str(field.column)) for field in given)}) "
    row = ", ".join(one for one, _ in compiled)
    if when is None:
        text += f"VALUES ({row})"
    else:
        condition, of_condition = compiler.compile(when.resolve_expression(compiler.query))
        compiled.append(("", of_condition))
        text += f"SELECT {row} WHERE {condition}"
    text += _otherwise(model, key, lock=lock)
    parameters = [parameter for _, of_one in compiled for parameter in of_one]
    return Declared(f"{text} RETURNING {_columns(model)}", parameters, model)


def insert_all(
    model: type[ModelT], names: Sequence[str], rows: Json, key: Sequence[str] = (), *, counts: bool = False
) -> Declared[ModelT]:
    """`insert` of any number of rows by one statement; with `counts` only their count is told.

    `rows` is bound as JSON: a list of objects with a value for each column in `names`. The others get their defaults, which
    must be the database's.
    """
    columns = [_column(model, name) for name in names]
    table = _quoted(model._meta.db_table)
    text = f"INSERT INTO {table} ({', '.join(columns)}) "
    text += f"SELECT {', '.join(columns)} FROM jsonb_populate_recordset(NULL::{table}, %s){_otherwise(model, key, lock=False)}"
    if counts:
        return Declared(text, [rows])
    return Declared(f"{text} RETURNING {_columns(model)}", [rows], model)


def query(text: str, model: type[models.Model] | None = None, /, **parameters: Any) -> Declared[Any]:
    """SQL of our own, with `%(name)s` for each of its parameters, and `%%` for a percent sign.

    That of a model's rows names its columns; `SELECT alias.*` at its beginning stands for those of the model. So they are always
    the same, whatever a migration adds. Raises ValueError for `*` anywhere else.
    """
    if model is not None:
        text = ALL_COLUMNS.sub(lambda match: f"SELECT {_columns(model, match[1])}", text)
        if "*" in text.partition("FROM")[0]:
            raise ValueError(f"SQL of rows of {model.__name__} has to name its columns.")
    order: list[Any] = []

    def note(name: re.Match[str]) -> str:
        order.append(parameters[name[1]])
        return "%s"

    return Declared(re.sub(r"%\((\w+)\)s", note, text), order, model)


class IsAny(models.Func):
    """`column = ANY(array)`: for any number of values in one statement. `filter(IsAny("pk", ids))`."""

    template, arg_joiner = "%(expressions)s)", " = ANY("
    output_field = models.BooleanField()


class AtKey(models.Func):
    """The value that stands at a key: `AtKey(keys, values, column)` for two arrays of the same length."""

    output_field = models.BigIntegerField()

    def as_sql(self, compiler: Any, connection: Any, *_: Any, **__: Any) -> tuple[str, Any]:  # noqa: ARG002
        """Of an array the item whose number is that of the key in the other."""
        (keys, of_keys), (values, of_values), (key, of_key) = map(compiler.compile, self.source_expressions)
        return f"({values})[array_position({keys}, {key})]", [*of_values, *of_keys, *of_key]


_LEFT_OUT = object()


def _given(field: "models.Field[Any, Any]", values: Mapping[str, Any]) -> Any:
    """What a new row's column is set to."""
    for name in (field.attname, field.name):
        if name in values:
            return values[name]
    if field.db_default is not NOT_PROVIDED:
        return _LEFT_OUT
    if field.default is NOT_PROVIDED and field.null:
        return None
    if field.default is NOT_PROVIDED or callable(field.default):
        raise LookupError(f"{field} has no default that every row could have: name it.")
    return field.default


def _compiled(compiler: Any, field: "models.Field[Any, Any]", value: Any) -> tuple[str, Sequence[Any]]:
    if hasattr(value, "resolve_expression"):
        resolved = value.resolve_expression(compiler.query, for_save=True)
        text, parameters = compiler.compile(resolved)
        return text, parameters
    return "%s", [field.get_db_prep_save(value, connection)]


def _otherwise(model: type[models.Model], key: Sequence[str], *, lock: bool) -> str:
    if not key:
        return ""
    if key == ANY_KEY:
        return " ON CONFLICT DO NOTHING"
    unique = ", ".join(_column(model, name) for name in key)
    # DO UPDATE locks an existing row even if its WHERE is false, and then does not change it (PostgreSQL manual, INSERT).
    first = _column(model, key[0])
    return f" ON CONFLICT ({unique}) DO " + (
        f"UPDATE SET {first} = EXCLUDED.{first} WHERE false" if lock else "NOTHING"
    )


def _column(model: type[models.Model], name: str) -> str:
    return _quoted(str(model._meta.get_field(name).column))  # type: ignore[union-attr]


def _updating(rows: "models.QuerySet[Any]", values: Mapping[str, Any]) -> UpdateQuery:
    query = cast(UpdateQuery, rows.query.chain(UpdateQuery))
    query.add_update_values(dict(values))
    return query


def _deleting(rows: "models.QuerySet[Any]") -> DeleteQuery:
    """The DELETE of these rows; it says that it may remove rows that are kept."""
    if is_removal_guarded(rows.model):
        rows = rows.filter(RawSQL(removing(rows.model._meta.db_table), [], models.BooleanField()))
    return cast(DeleteQuery, rows.query.chain(DeleteQuery))


def _text_of(query: UpdateQuery | DeleteQuery) -> tuple[str, Sequence[Any]]:
    try:
        text, parameters = query.get_compiler(connection=connection).as_sql()
    except EmptyResultSet:  # Django knows that no row can match, such as of no ids at all
        assert query.model is not None
        table, key = _quoted(query.model._meta.db_table), _quoted(_key(query.model))
        changes = f"UPDATE {table} SET {key} = {key}" if isinstance(query, UpdateQuery) else f"DELETE FROM {table}"
        return f"{changes} WHERE false", ()
    return text, parameters


def _names(model: type[models.Model]) -> list[str]:
    return [str(field.column) for field in model._meta.concrete_fields]


def _key(model: type[models.Model]) -> str:
    return str(model._meta.pk.column)


def _columns(model: type[models.Model], table: str | None = None) -> str:
    quoted = map(_quoted, _names(model))
    return ", ".join(f"{table}.{name}" if table else name for name in quoted)


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)
