"""The database trigger that refuses an UPDATE of a versioned row which does not raise its version."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Model

from backend.engine.trigger import TriggerConstraint

Groups = Mapping[str, Sequence[str]]
"""Field groups by name: the fields that each group holds. Groups change independently; one for a list of children has
no fields.
"""

REFUSE = """
CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF {refused} THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
            MESSAGE = 'a write to "' || TG_TABLE_NAME || '" must raise its version by one and stamp each group it changes';
    END IF;
    RETURN NEW;
END
$body$
"""
"""The condition is in the function, which a session plans once. In the trigger's WHEN, PostgreSQL would read it from its text
anew for each statement that updates a row: that was a third of what a follow cost.
"""


class VersionGuard(TriggerConstraint):
    """Declares the field groups of a versioned model, and enforces them with a trigger.

    `sides` maps a prefix to the groups of that side. Most rows have one side, "", with the columns `version`,
    `updated_at` and `<group>_changed`; a row that two people share has two sides, each with its own prefix. `fixed`
    names the fields that never change. `stamps` names further columns that hold the version of a write, like the
    groups' stamps, but belong to no group. The trigger refuses any UPDATE, also one from psql, that changes a row
    unless

    - each version stays or rises by exactly one, and at least one of them rises;
    - the fixed fields stay;
    - a group whose fields change carries the new version as its stamp, and no stamp moves to anything else.
    """

    def __init__(
        self, *, name: str, sides: Mapping[str, Groups], fixed: Sequence[str] = (), stamps: Sequence[str] = ()
    ) -> None:
        super().__init__(name=name)
        self.sides = {side: {group: tuple(of) for group, of in groups.items()} for side, groups in sides.items()}
        self.fixed = tuple(fixed)
        self.stamps = tuple(stamps)

    def create_sql(self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> Any:
        """SQL for the function, which knows the groups, and for the trigger; both are named like the constraint."""
        model, table, name = self.quoted(model, schema_editor)
        return (
            f"{REFUSE.format(name=name, refused=self._refused(model))}; "
            f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"
        )

    def remove_sql(self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> Any:
        """SQL that drops the trigger and its function."""
        _, table, name = self.quoted(model, schema_editor)
        return f"DROP TRIGGER IF EXISTS {name} ON {table}; DROP FUNCTION IF EXISTS {name}()"

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        """How migrations serialise it."""
        path, args, kwargs = super().deconstruct()
        stamps = {"stamps": self.stamps} if self.stamps else {}
        return path, args, {**kwargs, "sides": self.sides, "fixed": self.fixed, **stamps}

    def _refused(self, model: type[Model]) -> str:
        """SQL: whether the trigger must refuse the change from OLD to NEW."""
        versions = [f"{side}version" for side in self.sides]
        none_rises = " AND ".join(f"NEW.{version} = OLD.{version}" for version in versions)
        refused = [f"({none_rises} AND OLD.* IS DISTINCT FROM NEW.*)"]
        refused += [f"NEW.{version} NOT IN (OLD.{version}, OLD.{version} + 1)" for version in versions]
        if self.fixed:
            refused.append(_differs(_columns(model, self.fixed)))
        for side, groups in self.sides.items():
            for group, names in groups.items():
                refused.append(_group_refused(f"{side}version", f"{side}{group}_changed", _columns(model, names)))
        return " OR ".join(refused)


def _group_refused(version: str, stamp: str, columns: Sequence[str]) -> str:
    forged = f"(NEW.{stamp} <> OLD.{stamp} AND (NEW.{stamp} <> NEW.{version} OR NEW.{version} = OLD.{version}))"
    if not columns:
        return forged
    forgotten = f"({_differs(columns)} AND NEW.{stamp} <> OLD.{version} + 1)"
    return f"{forged} OR {forgotten}"


def _differs(columns: Sequence[str]) -> str:
    new, old = (", ".join(f"{row}.{column}" for column in columns) for row in ("NEW", "OLD"))
    return f"ROW({new}) IS DISTINCT FROM ROW({old})"


def _columns(model: type[Model], names: Sequence[str]) -> list[str]:
    return [str(model._meta.get_field(name).column) for name in names]  # type: ignore[union-attr]


def is_versioned(model: type[Model]) -> bool:
    """Whether `model` declares a guard."""
    return any(isinstance(constraint, VersionGuard) for constraint in model._meta.constraints)


def guard_of(model: type[Model]) -> VersionGuard:
    """The guard that `model` declares. Raises LookupError if it declares none."""
    for constraint in model._meta.constraints:
        if isinstance(constraint, VersionGuard):
            return constraint
    raise LookupError(f"{model.__name__} is not a versioned model: it declares no VersionGuard.")


def shown_as(model: type[Model], group: str) -> Sequence[str]:
    """The fields in which clients see a group of `model`: those that its `SHOWN_AS` names, or else the one of its name."""
    declared: Mapping[str, Sequence[str]] = getattr(model, "SHOWN_AS", {})
    return declared.get(group) or [re.sub("_([a-z])", lambda letter: letter[1].upper(), group)]
