"""What a statement does to versioned rows, as data that is derived from its declaration, and what must hold of it.

It is looked at once, when the statement is compiled, so that one which could lose a write never runs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from django.db import models
from django.db.models.expressions import Col
from django.db.models.sql import Query, UpdateQuery

from backend.engine.guard import guard_of, is_versioned


class Condition:
    """Stands in a declaration for what the caller has seen: the statement is to write only if nothing else has changed."""


@dataclass(frozen=True)
class Effect:
    """The columns of a model that a statement sets, and those that it compares in its filter."""

    model: type[models.Model]
    sets: frozenset[str] = frozenset()
    compares: frozenset[str] = frozenset()

    @classmethod
    def of(cls, query: Query) -> "Effect":
        """That of a query of Django's."""
        assert query.model is not None
        values = cast(Any, query).values if isinstance(query, UpdateQuery) else ()
        compares = frozenset(_compared(query.where, query.model))
        return cls(query.model, frozenset(field.name for field, *_ in values), compares)

    @property
    def writes(self) -> frozenset[str]:
        """The field groups that it stamps, with the prefix of their side."""
        return frozenset(group for group in self._groups if f"{group}_changed" in self.sets)

    @property
    def reads(self) -> frozenset[str]:
        """The field groups that it is conditioned on, with the prefix of their side."""
        return frozenset(group for group in self._groups if f"{group}_changed" in self.compares)

    def require_sound(self, *, is_conditioned: bool) -> None:
        """Raise LookupError for a write that others would not see, and for a condition that holds nothing off."""
        if not is_versioned(self.model):
            return
        name = self.model.__name__
        for group, fields in self._groups.items():
            if self.sets.intersection(fields) and group not in self.writes:
                raise LookupError(
                    f"This sets {', '.join(sorted(self.sets & fields))} of {name} and does not stamp {group!r}."
                )
        for side, groups in self._sides.items():
            if self.writes & groups and f"{side}version" not in self.sets:
                raise LookupError(
                    f"This stamps {', '.join(sorted(self.writes & groups))} of {name} and raises no version."
                )
        if is_conditioned:
            self._require_conditioned(name)

    def _require_conditioned(self, name: str) -> None:
        mine = [groups for side, groups in self._sides.items() if f"{side}version" in self.compares]
        if not any(self.reads & groups for groups in mine):
            raise LookupError(f"This is told what its caller has seen of {name} and is not conditioned on it.")
        for groups in mine:
            if unread := self.writes & groups - self.reads:
                raise LookupError(f"This writes {', '.join(sorted(unread))} of {name} and is not conditioned on it.")

    @property
    def _sides(self) -> Mapping[str, frozenset[str]]:
        """The groups of each side, by its prefix."""
        return {side: frozenset(f"{side}{group}" for group in of) for side, of in guard_of(self.model).sides.items()}

    @property
    def _groups(self) -> Mapping[str, frozenset[str]]:
        """The fields of each group."""
        if not is_versioned(self.model):
            return {}
        sides = guard_of(self.model).sides.items()
        return {f"{side}{group}": frozenset(fields) for side, of in sides for group, fields in of.items()}


def _compared(expression: Any, model: type[models.Model]) -> Iterator[str]:
    """The columns of the model itself in a filter. Those of a subquery are of other rows."""
    if isinstance(expression, Col) and expression.target.model is model:
        yield expression.target.name
    if isinstance(expression, Query):
        return
    for one in getattr(expression, "get_source_expressions", list)():
        yield from _compared(one, model)
