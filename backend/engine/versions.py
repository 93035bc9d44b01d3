"""Optimistic locking: the version check is a filter on the UPDATE, and the number of updated rows decides.

A versioned row carries `version`, and for each field group (see `guard.VersionGuard`) the version at which that
group last changed. A write whose author last saw version *s* filters on `<group>_changed <= s` for exactly the
groups that it reads or sets, raises `version` by one and stamps the groups that it sets:

    rows = write(
        Person.objects.filter(unchanged(Person, seen, ["name"]), pk=pk),
        name="Asha", **stamped(Person, ["name"]),
    )

So writes to different groups never conflict, and a write that depends on everything names every group. No code reads a
row, compares the version and then saves: PostgreSQL's READ COMMITTED re-checks the WHERE clause after a lock wait,
which makes the single statement atomic (PostgreSQL manual, section 13.2.1).
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replace_fields
from typing import Any, TypeVar, cast

from django.db import connection, models
from django.db.models import BooleanField, F, Q
from django.db.models.expressions import DatabaseDefault, RawSQL
from django.db.models.functions import Now
from django.db.models.sql import DeleteQuery, UpdateQuery
from django.db.models.sql.constants import ROW_COUNT
from django.db.models.sql.where import WhereNode

from backend.engine.conflicts import FREQUENT, retry_after_ms
from backend.engine.errors import Conflict, FieldConflict, Unseen
from backend.engine.guard import guard_of, shown_as
from backend.engine.removal import is_removal_guarded, removing

ModelT = TypeVar("ModelT", bound=models.Model)


@dataclass(frozen=True)
class Expected:
    """The version that the caller last saw; None for a write without a condition.

    `after` is the key of the mutation whose version is meant; it has to be resolved before it is filtered on. `own` are
    later versions that the caller's own writes made, on top of writes of others that the caller has not seen. `sent`
    are texts that the caller sent and that were merged with unseen texts of others: the caller's next write is based on
    these.
    """

    version: int | None
    after: uuid.UUID | None = None
    own: tuple[int, ...] = ()
    sent: Mapping[str, Any] = field(default_factory=dict)

    @property
    def anything(self) -> bool:
        """Whether the write has no condition."""
        if self.after is not None:
            raise LookupError("Look up what the mutation with this key made before you filter on it.")
        return self.version is None

    @property
    def latest(self) -> int:
        """The latest version that the caller knows; 0 for a write without a condition."""
        return self.own[-1] if self.own else self.version or 0

    def has_seen(self, stamp: int) -> bool:
        """Whether the caller has seen the write that made the version `stamp`."""
        return self.anything or stamp <= (self.version or 0) or stamp in self.own

    def and_wrote(self, version: int) -> "Expected":
        """What the caller has seen after a write of theirs has made `version`; writes of others before it stay unseen."""
        if version == self.latest + 1 and not self.own and not self.sent:
            return Expected(version)
        return replace_fields(self, own=(*self.own, version)[-MAX_OWN_VERSIONS:])

    def and_sent(self, values: Mapping[str, Any]) -> "Expected":
        """What the caller has seen after these texts of theirs were merged or found unchanged: nothing more than those texts."""
        return replace_fields(self, sent={**self.sent, **values})


MAX_OWN_VERSIONS = 100
"""How many own versions are remembered. Beyond it an old one counts as unseen: a needless conflict, never a lost write."""


def unchanged(model: type[models.Model], seen: Expected, groups: Iterable[str], *, side: str = "") -> Q:
    """Filter: none of `groups` has changed since `seen`. A version above the row's own matches nothing."""
    if seen.anything:
        return Q()
    clean = Q(**{f"{side}version__gte": seen.latest})
    for group in _known(model, groups, side):
        clean &= _seen(f"{side}{group}_changed", seen)
    return clean


def _seen(stamp: str, seen: Expected) -> Q:
    known = Q(**{f"{stamp}__lte": seen.version})
    return known | Q(**{f"{stamp}__in": seen.own}) if seen.own else known


def stamped(model: type[models.Model], groups: Iterable[str], *, side: str = "") -> dict[str, Any]:
    """The values that every write sets: the version plus one, and this new version as the stamp of each of `groups`."""
    raised = F(f"{side}version") + 1
    stamps = {f"{side}{group}_changed": raised for group in _known(model, groups, side)}
    return {f"{side}version": raised, f"{side}updated_at": Now(), **stamps}


def every_group(model: type[models.Model], *, side: str = "") -> Sequence[str]:
    """All field groups of a side of `model`, for a write that depends on everything."""
    return tuple(guard_of(model).sides[side])


def mergeable(model: type[models.Model], values: Mapping[str, Any], seen: Expected) -> Q:
    """Filter for a merging write: each field that it sets is unchanged since `seen`, or has that value already.

    For models whose groups each hold one field of the same name.
    """
    if seen.anything:
        return Q()
    clean = Q(version__gte=seen.latest)
    for name in _known(model, values, ""):
        clean &= _seen(f"{name}_changed", seen) | Q(**{name: values[name]})
    return clean


def is_unchanged(row: models.Model, seen: Expected, groups: Iterable[str], *, side: str = "") -> bool:
    """`unchanged` for a row in memory: only to explain why a write found no row, never to decide."""
    if seen.anything:
        return True
    stamps = [getattr(row, f"{side}{group}_changed") for group in groups]
    return seen.latest <= getattr(row, f"{side}version") and all(map(seen.has_seen, stamps))


def is_so_already(row: models.Model, values: Mapping[str, Any]) -> bool:
    """Whether a row in memory has all of these values already."""
    return all(getattr(row, name) == value for name, value in values.items())


def changed_since(row: models.Model, seen: Expected, groups: Iterable[str], *, side: str = "") -> list[str]:
    """Those of these groups that somebody else has written since the version `seen`."""
    return [group for group in groups if not seen.has_seen(getattr(row, f"{side}{group}_changed"))]


def others_wrote(row: models.Model, seen: Expected) -> bool:
    """Whether others wrote between `seen` and the caller's write to this row, so that it was merged with theirs."""
    version: int = row.version  # type: ignore[attr-defined]
    return not seen.anything and (version > seen.latest + 1 or bool(seen.own))


def write(rows: "models.QuerySet[ModelT]", **values: Any) -> list[ModelT]:
    """UPDATE … WHERE … RETURNING: the conditioned write. Returns the updated rows; none if the condition failed.

    Django's `update()` returns only a count. Returning the row saves a query, and its version is certainly the one that
    this write made.
    """
    require_transaction()
    sql, params = _update(rows, values).get_compiler(using=rows.db).as_sql()
    return list(rows.model._base_manager.raw(f"{sql} RETURNING {_columns(rows.model)}", params))


def replace(rows: "models.QuerySet[ModelT]", **values: Any) -> list[ModelT]:
    """`write`; also sets on each row the attribute `before`, the replaced values by field.

    Before PostgreSQL 18, RETURNING gives only the new row. So a subquery of the same statement locks and reads the
    rows; it waits for concurrent writers and re-checks the condition as the UPDATE would (PostgreSQL manual, section
    13.2.1).
    """
    require_transaction()
    query = _update(rows, values)
    compiler = query.get_compiler(using=rows.db)
    condition, condition_params = compiler.compile(query.where)
    query.where = WhereNode()
    update, params = compiler.as_sql()
    table, key = (connection.ops.quote_name(str(name)) for name in (rows.model._meta.db_table, _key(rows.model)))
    earlier = ", ".join(f"earlier.{connection.ops.quote_name(name)} AS before_{name}" for name in _names(rows.model))
    written = rows.model._base_manager.raw(
        f"{update} FROM (SELECT * FROM {table} WHERE {condition} FOR NO KEY UPDATE) AS earlier "
        f"WHERE {table}.{key} = earlier.{key} RETURNING {_columns(rows.model, table)}, {earlier}",
        (*params, *condition_params),
    )
    return [_with_before(row) for row in written]


def _with_before(row: ModelT) -> ModelT:
    fields = row._meta.concrete_fields
    row.before = {field.attname: row.__dict__.pop(f"before_{field.column}") for field in fields}  # type: ignore[attr-defined]
    return row


def write_all(rows: "models.QuerySet[ModelT]", **values: Any) -> int:
    """`write` for many rows; returns only how many."""
    require_transaction()
    return _update(rows, values).get_compiler(using=rows.db).execute_sql(ROW_COUNT) or 0


def remove(rows: "models.QuerySet[ModelT]") -> list[ModelT]:
    """DELETE … WHERE … RETURNING: a conditioned delete. Returns the deleted rows; none if the condition failed."""
    require_transaction()
    sql, params = _delete(rows).get_compiler(using=rows.db).as_sql()
    return list(rows.model._base_manager.raw(f"{sql} RETURNING {_columns(rows.model)}", params))


def remove_all(rows: "models.QuerySet[ModelT]") -> int:
    """`remove` for many rows; returns only how many."""
    require_transaction()
    return _delete(rows).get_compiler(using=rows.db).execute_sql(ROW_COUNT) or 0


def _delete(rows: "models.QuerySet[ModelT]") -> DeleteQuery:
    """The DELETE of these rows; it says that it may remove rows that are kept."""
    if is_removal_guarded(rows.model):
        rows = rows.filter(RawSQL(removing(rows.model._meta.db_table), [], BooleanField()))
    return cast(DeleteQuery, rows.query.chain(DeleteQuery))


def first_row(row: ModelT, key: Sequence[str], *, lock: bool = False) -> ModelT | None:
    """INSERT … ON CONFLICT: create the row of a thing that had version 0. Returns it; None if it exists already.

    `key` names the fields of the unique constraint. Of two concurrent inserts the second waits and gets None, which is
    a conflict with version 0. With `lock`, an existing row is locked but not changed.
    """
    require_transaction()
    meta, quote = row._meta, connection.ops.quote_name
    given = [field for field in meta.concrete_fields if not isinstance(getattr(row, field.attname), DatabaseDefault)]
    columns = ", ".join(quote(str(field.column)) for field in given)
    unique = ", ".join(quote(str(meta.get_field(name).column)) for name in key)  # type: ignore[union-attr]
    # DO UPDATE locks an existing row even if its WHERE is false, and then does not change it (PostgreSQL manual, INSERT).
    otherwise = "UPDATE SET version = EXCLUDED.version WHERE false" if lock else "NOTHING"
    sql = (
        f"INSERT INTO {quote(meta.db_table)} ({columns}) VALUES ({', '.join(['%s'] * len(given))}) "
        f"ON CONFLICT ({unique}) DO {otherwise} RETURNING {_columns(type(row))}"
    )
    values = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in given]
    return next(iter(type(row)._base_manager.raw(sql, values)), None)


def _update(rows: "models.QuerySet[ModelT]", values: Mapping[str, Any]) -> UpdateQuery:
    query = cast(UpdateQuery, rows.query.chain(UpdateQuery))
    query.add_update_values(dict(values))
    return query


def _names(model: type[models.Model]) -> list[str]:
    return [str(field.column) for field in model._meta.concrete_fields]


def _key(model: type[models.Model]) -> str:
    return str(model._meta.pk.column)


def _columns(model: type[models.Model], table: str | None = None) -> str:
    quoted = map(connection.ops.quote_name, _names(model))
    return ", ".join(f"{table}.{name}" if table else name for name in quoted)


def require_transaction() -> None:
    """Raise RuntimeError outside a unit of work, where a write would not be atomic."""
    if not connection.in_atomic_block:
        raise RuntimeError("Writes belong to a unit of work: call this through transactions.unit_of_work().")


def conflict(
    current: Any,
    *,
    seen: Expected,
    thing: tuple[Any, ...],
    overlaps: Sequence[FieldConflict] = (),
    side: str = "",
    by: uuid.UUID | None = None,
) -> Conflict:
    """The refusal of a write whose condition failed. `thing` names the row, for the advice on when to retry.

    `by` is who wrote the present version, if the row says so.
    """
    FREQUENT.note(thing, [overlap.path for overlap in overlaps])
    unseen = unseen_of(current, seen, side=side, by=by)
    return Conflict(
        current, expected=seen.version or 0, unseen=unseen, after_ms=retry_after_ms(thing), overlaps=overlaps
    )


def unseen_of(row: models.Model, seen: Expected, *, side: str = "", by: uuid.UUID | None = None) -> Unseen:
    """What others wrote to a row in memory after `seen`. `by` is who wrote its present version, if the row says so.

    Versions that the caller's own writes made do not count. If the caller names a version above the row's own, nothing is
    known of what they have seen, and all is empty.
    """
    model = type(row)
    version: int = getattr(row, f"{side}version")
    if seen.anything or seen.latest > version:
        return Unseen(0, (), latest=None, at=None, by=None)
    changed = changed_since(row, seen, every_group(model, side=side), side=side)
    fields = dict.fromkeys(field for group in changed for field in shown_as(model, group))
    latest = max((getattr(row, f"{side}{group}_changed") for group in changed), default=None)
    is_last = latest == version
    return Unseen(
        versions=version - (seen.version or 0) - len(seen.own),
        fields=tuple(fields),
        latest=latest,
        at=getattr(row, f"{side}updated_at") if is_last else None,
        by=by if latest is not None else None,
    )


def _known(model: type[models.Model], groups: Iterable[str], side: str) -> list[str]:
    known = guard_of(model).sides[side]
    names = list(groups)
    for group in names:
        if group not in known:
            raise LookupError(f"{model.__name__} has no field group {group!r}; it has {', '.join(known)}.")
    return names
