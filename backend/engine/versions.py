"""Optimistic locking: a version check is a filter on the write, and the row count decides.

A versioned row carries `version`, and for each field group (see `guard.VersionGuard`) the version at which that
group last changed. A write whose author last saw version *s* filters on `<group>_changed <= s` for exactly the
groups that it reads or sets, raises `version` by one and stamps the groups that it sets:

    rows = write(
        Person.objects.filter(pk=pk, **unchanged(Person, seen, ["name"])),
        name="Asha", **stamped(Person, ["name"]),
    )

So disjoint writes never collide, and a write that must see everything names every group. Nothing is ever read,
compared and saved: PostgreSQL's READ COMMITTED re-checks the WHERE clause after a lock wait, and that makes the
one statement atomic (PostgreSQL manual, section 13.2.1).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from django.db import connection, models
from django.db.models import F
from django.db.models.functions import Now
from django.db.models.sql import UpdateQuery

from backend.engine.contention import after_conflict_ms
from backend.engine.errors import Conflict, FieldConflict
from backend.engine.guard import guard_of

ModelT = TypeVar("ModelT", bound=models.Model)


@dataclass(frozen=True)
class Expected:
    """What the caller says must still be true: the version last seen, or None for "whatever it is now"."""

    version: int | None

    @property
    def anything(self) -> bool:
        """Whether the caller writes whatever the version is now."""
        return self.version is None


def unchanged(model: type[models.Model], seen: Expected, groups: Iterable[str], *, side: str = "") -> dict[str, Any]:
    """Filter: none of `groups` has changed since `seen`. A version from the future matches nothing."""
    if seen.anything:
        return {}
    checks = {f"{side}{group}_changed__lte": seen.version for group in _known(model, groups, side)}
    return {f"{side}version__gte": seen.version, **checks}


def stamped(model: type[models.Model], groups: Iterable[str], *, side: str = "") -> dict[str, Any]:
    """Values that every write sets: the version raised by one, and on each of `groups` the new version as its stamp."""
    raised = F(f"{side}version") + 1
    stamps = {f"{side}{group}_changed": raised for group in _known(model, groups, side)}
    return {f"{side}version": raised, f"{side}updated_at": Now(), **stamps}


def every_group(model: type[models.Model], *, side: str = "") -> Sequence[str]:
    """All field groups of a side of `model`: what a write names that must have seen everything."""
    return tuple(guard_of(model).sides[side])


def is_unchanged(row: models.Model, seen: Expected, groups: Iterable[str], *, side: str = "") -> bool:
    """What `unchanged` filters on, said of a row in memory: only to explain a write that found no row, never to decide."""
    if seen.version is None:
        return True
    stamps = [getattr(row, f"{side}{group}_changed") for group in groups]
    return seen.version <= getattr(row, f"{side}version") and all(stamp <= seen.version for stamp in stamps)


def write(rows: "models.QuerySet[ModelT]", **values: Any) -> list[ModelT]:
    """UPDATE … WHERE … RETURNING: the one conditioned write. Returns the rows as they are now; none if it did not apply.

    Django's own `update()` gives only the count; returning the row saves a query, and the version that comes back
    is certain to be the one that this write made.
    """
    require_transaction()
    query = cast(UpdateQuery, rows.query.chain(UpdateQuery))
    query.add_update_values(values)
    sql, params = query.get_compiler(using=rows.db).as_sql()
    columns = ", ".join(connection.ops.quote_name(str(field.column)) for field in rows.model._meta.concrete_fields)
    return list(rows.model._base_manager.raw(f"{sql} RETURNING {columns}", params))


def require_transaction() -> None:
    """Raise RuntimeError outside a unit of work: a write there could be half done."""
    if not connection.in_atomic_block:
        raise RuntimeError("Writes belong to a unit of work: call this through transactions.unit_of_work().")


def conflict(
    current: Any, *, seen: Expected, thing: tuple[Any, ...], overlaps: Sequence[FieldConflict] = ()
) -> Conflict:
    """The refusal of a write that came too late. `thing` names what was fought over, for the advice on waiting."""
    return Conflict(current, expected=seen.version or 0, after_ms=after_conflict_ms(thing), overlaps=overlaps)


def _known(model: type[models.Model], groups: Iterable[str], side: str) -> list[str]:
    known = guard_of(model).sides[side]
    names = list(groups)
    for group in names:
        if group not in known:
            raise LookupError(f"{model.__name__} has no field group {group!r}; it has {', '.join(known)}.")
    return names
