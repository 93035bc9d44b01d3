"""The database triggers that refuse a DELETE of rows that are counted, totalled or kept as history."""

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Model

from backend.engine.trigger import TriggerConstraint

SETTING = "katha.removal"
"""Names, separated by spaces, the tables whose rows the present transaction may remove. It ends with the transaction, so a
pooler may stand in between.
"""

REFUSE = """
CREATE OR REPLACE FUNCTION katha_refuse_removal() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
        MESSAGE = CASE TG_OP
            WHEN 'UPDATE' THEN 'a row of "' || TG_TABLE_NAME || '" stays what it was made as'
            ELSE 'rows of "' || TG_TABLE_NAME || '" are kept: only what also keeps their totals and history may remove them'
        END;
END
$body$
"""


class RemovalGuard(TriggerConstraint):
    """Declares that the rows of a model are counted, totalled or kept as history, and guards them with triggers.

    DELETE and TRUNCATE are refused, also from psql, unless the transaction has marked the table by `removing`, as
    `versions.remove` and `versions.remove_all` do. So a row goes only where code says that it removes it: that is where
    the totals are lowered too. A statement that forgot, or that somebody typed, loses nothing.

    `fixed` names the fields of a row without a version that are never updated; with a version, `VersionGuard` holds them.
    """

    def __init__(self, *, name: str, fixed: Sequence[str] = ()) -> None:
        super().__init__(name=name)
        self.fixed = tuple(fixed)

    @property
    def triggers(self) -> Sequence[str]:
        """The names of its triggers: for DELETE, for TRUNCATE and, with fixed fields, for UPDATE."""
        return (self.name, f"{self.name}_truncate", *([f"{self.name}_update"] if self.fixed else []))

    def create_sql(self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> Any:
        """SQL for the function that all guards share and for this table's triggers."""
        model, table, _ = self.quoted(model, schema_editor)
        unmarked = f"strpos(concat(' ', current_setting('{SETTING}', true), ' '), ' {model._meta.db_table} ') = 0"
        delete, truncate, *update = self.triggers
        refuse = "EXECUTE FUNCTION katha_refuse_removal()"
        statements = [
            REFUSE,
            f"CREATE TRIGGER {delete} BEFORE DELETE ON {table} FOR EACH ROW WHEN ({unmarked}) {refuse}",
            f"CREATE TRIGGER {truncate} BEFORE TRUNCATE ON {table} FOR EACH STATEMENT WHEN ({unmarked}) {refuse}",
        ]
        if self.fixed:
            columns = [model._meta.get_field(name).column for name in self.fixed]  # type: ignore[union-attr]
            new, old = (", ".join(f"{row}.{column}" for column in columns) for row in ("NEW", "OLD"))
            changed = f"ROW({new}) IS DISTINCT FROM ROW({old})"
            # Of these columns alone: each statement that can fire it reads the WHEN's text anew, and totals are raised often.
            events = f"UPDATE OF {', '.join(map(str, columns))}"
            statements.append(
                f"CREATE TRIGGER {update[0]} BEFORE {events} ON {table} FOR EACH ROW WHEN ({changed}) {refuse}"
            )
        return "; ".join(statements)

    def remove_sql(self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> Any:
        """SQL that drops this table's triggers."""
        _, table, _ = self.quoted(model, schema_editor)
        return "; ".join(f"DROP TRIGGER IF EXISTS {name} ON {table}" for name in self.triggers)

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        """How migrations serialise it."""
        path, args, kwargs = super().deconstruct()
        return path, args, {**kwargs, **({"fixed": self.fixed} if self.fixed else {})}


def is_removal_guarded(model: type[Model]) -> bool:
    """Whether `model` declares a guard of removals."""
    return any(isinstance(constraint, RemovalGuard) for constraint in model._meta.constraints)


def removing(table: str) -> str:
    """SQL: a condition that is true, and marks the table, for the WHERE of a DELETE that keeps totals and history.

    It is part of that statement, because a statement of its own would be another round trip. Each row is filtered before
    its trigger fires.
    """
    return f"set_config('{SETTING}', '{table}', true) <> ''"
