"""Optimistic locking: the version check is a filter on the UPDATE, and the number of updated rows decides.

A versioned row carries `version`, and for each field group (see `guard.VersionGuard`) the version at which that
group last changed. A write whose author last saw version *s* filters on `<group>_changed <= s` for exactly the
groups that it reads or sets, raises `version` by one and stamps the groups that it sets:

    update(
        Person.objects.filter(unchanged(Person, seen, ["name"]), pk=person),
        name=name, **stamped(Person, ["name"]),
    )

So writes to different groups never conflict, and a write that depends on everything names every group. No code reads a
row, compares the version and then saves: PostgreSQL's READ COMMITTED re-checks the WHERE clause after a lock wait,
which makes the single statement atomic (PostgreSQL manual, section 13.2.1).
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from types import MappingProxyType
from typing import Any, NamedTuple

from django.db import models
from django.db.models import Case, F, Q, When
from django.db.models.functions import Now

from backend.engine.conflicts import FREQUENT, retry_after_ms
from backend.engine.declarations import IsAny
from backend.engine.effects import Condition
from backend.engine.errors import Conflict, FieldConflict, Unseen
from backend.engine.guard import guard_of, shown_as
from backend.engine.statements import Parameter


class Expected(NamedTuple):
    """The version that the caller last saw; None for a write without a condition.

    `after` is the key of the mutation whose version is meant; it has to be resolved before it is filtered on. `own` are
    later versions that the caller's own writes made, on top of writes of others that the caller has not seen. `sent`
    are texts that the caller sent and that were merged with unseen texts of others: the caller's next write is based on
    these.
    """

    version: int | None
    after: uuid.UUID | None = None
    own: tuple[int, ...] = ()
    sent: Mapping[str, Any] = MappingProxyType({})

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

    @property
    def shape(self) -> tuple[bool, bool]:
        """What a statement with this condition looks like: whether it has one, and whether with own versions."""
        return not self.anything, bool(self.own)

    def placeholder(self, name: str) -> "Seen":
        """What a declaration gets in its place."""
        if self.anything:
            return self
        own = Parameter.of(f"{name}.own", list[int]) if self.own else None
        return SeenParameters(Parameter.of(f"{name}.version", int), Parameter.of(f"{name}.latest", int), own)

    def bound(self, name: str) -> Mapping[str, Any]:
        """The values of those parameters."""
        if self.anything:
            return {}
        return {f"{name}.version": self.version, f"{name}.latest": self.latest, f"{name}.own": list(self.own)}

    def has_seen(self, stamp: int) -> bool:
        """Whether the caller has seen the write that made the version `stamp`."""
        return self.anything or stamp <= (self.version or 0) or stamp in self.own

    def and_wrote(self, version: int) -> "Expected":
        """What the caller has seen after a write of theirs has made `version`; writes of others before it stay unseen."""
        if version == self.latest + 1 and not self.own and not self.sent:
            return Expected(version)
        return self._replace(own=(*self.own, version)[-MAX_OWN_VERSIONS:])

    def and_sent(self, values: Mapping[str, Any]) -> "Expected":
        """What the caller has seen after these texts of theirs were merged or found unchanged: nothing more than those texts."""
        return self._replace(sent={**self.sent, **values})


MAX_OWN_VERSIONS = 100
"""How many own versions are remembered. Beyond it an old one counts as unseen: a needless conflict, never a lost write."""


@dataclass(frozen=True)
class SeenParameters(Condition):
    """Stands in a declaration for an `Expected` that has a condition."""

    version: Parameter
    latest: Parameter
    own: Parameter | None
    anything: bool = False


Seen = Expected | SeenParameters


def unchanged(model: type[models.Model], seen: Seen, groups: Iterable[str], *, side: str = "") -> Q:
    """Filter: none of `groups` has changed since `seen`. A version above the row's own matches nothing."""
    if seen.anything:
        return Q()
    clean = Q(**{f"{side}version__gte": seen.latest})
    for group in _known(model, groups, side):
        clean &= _seen(f"{side}{group}_changed", seen)
    return clean


def _seen(stamp: str, seen: Seen) -> Q:
    known = Q(**{f"{stamp}__lte": seen.version})
    if not seen.own:
        return known
    return known | Q(IsAny(stamp, list(seen.own) if isinstance(seen.own, tuple) else seen.own))


def stamped(model: type[models.Model], groups: Iterable[str], *, side: str = "") -> dict[str, Any]:
    """The values that every write sets: the version plus one, and this new version as the stamp of each of `groups`."""
    raised = F(f"{side}version") + 1
    stamps = {f"{side}{group}_changed": raised for group in _known(model, groups, side)}
    return {f"{side}version": raised, f"{side}updated_at": Now(), **stamps}


def stamped_when(model: type[models.Model], groups: Mapping[str, Q], *, side: str = "") -> dict[str, Any]:
    """`stamped` for each group whose condition holds for the row as it was; the version rises if one of them does."""
    raised = F(f"{side}version") + 1
    conditions = {f"{side}{group}_changed": groups[group] for group in _known(model, groups, side)}
    some = reduce(or_, conditions.values())

    def if_so(condition: Q, then: Any, name: str) -> Case:
        return Case(When(condition, then=then), default=F(name), output_field=model._meta.get_field(name))  # type: ignore[arg-type]

    version, moment = f"{side}version", f"{side}updated_at"
    stamps = {stamp: if_so(condition, raised, stamp) for stamp, condition in conditions.items()}
    return {version: if_so(some, raised, version), moment: if_so(some, Now(), moment), **stamps}


def stamped_if_new(model: type[models.Model], values: Mapping[str, Any]) -> dict[str, Any]:
    """`stamped` for a write that sets these fields to other values than they have; what is sent as it is gets no stamp.

    At least one must be another, which the filter of the write has to say. For models as those of `mergeable`.
    """
    stamps = {}
    for name in _known(model, values, ""):
        stamp, is_new = f"{name}_changed", When(~Q(**{name: values[name]}), then=F("version") + 1)
        stamps[stamp] = Case(is_new, default=F(stamp), output_field=model._meta.get_field(stamp))  # type: ignore[arg-type]
    return {**stamped(model, ()), **stamps}


def every_group(model: type[models.Model], *, side: str = "") -> Sequence[str]:
    """All field groups of a side of `model`, for a write that depends on everything."""
    return tuple(guard_of(model).sides[side])


def mergeable(model: type[models.Model], values: Mapping[str, Any], seen: Seen) -> Q:
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
    after_ms = retry_after_ms(thing, seen.latest, getattr(current, f"{side}version"))
    return Conflict(current, expected=seen.version or 0, unseen=unseen, after_ms=after_ms, overlaps=overlaps)


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
