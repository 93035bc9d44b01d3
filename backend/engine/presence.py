"""The database trigger that refuses new references to people who have left."""

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Model

from backend.engine.trigger import TriggerConstraint

REFUSE = """
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF (
        SELECT bool_or(left_at IS NOT NULL)
        FROM (SELECT left_at FROM {table} WHERE {key} IN ({people}) ORDER BY {key} FOR KEY SHARE) AS person
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
            MESSAGE = 'a row of "' || TG_TABLE_NAME || '" refers to somebody who has left';
    END IF;
    RETURN NULL;
END
$body$
"""


class PresenceGuard(TriggerConstraint):
    """Declares which of a model's foreign keys must refer to people who have not left when a row is written.

    "People" are the rows that these keys refer to; their column `left_at` is set when they leave.

    A foreign key alone does not suffice, because the row of a person who has left stays. The trigger works like a
    foreign key: it checks when the transaction commits and locks the person's row with KEY SHARE, which blocks nothing
    but leaving. So of a write and a leaving at the same moment, either the sweep finds the row or the commit is
    refused. With `changes`, later updates of these columns are checked too.
    """

    def __init__(self, *, name: str, people: Sequence[str], changes: bool = False) -> None:
        super().__init__(name=name)
        self.people = tuple(people)
        self.changes = changes

    def create_sql(self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> Any:
        """SQL for the function, which knows the columns, and for the trigger; both are named like the constraint."""
        model, table, name = self.quoted(model, schema_editor)
        references: list[Any] = [model._meta.get_field(one) for one in self.people]
        columns = [str(field.column) for field in references]
        (referred,) = {field.related_model for field in references}
        refuse = REFUSE.format(
            function=name,
            table=referred._meta.db_table,
            key=referred._meta.pk.column,
            people=", ".join(f"NEW.{column}" for column in columns),
        )
        changed = f" OR UPDATE OF {', '.join(columns)}" if self.changes else ""
        return (
            f"{refuse}; CREATE CONSTRAINT TRIGGER {name} AFTER INSERT{changed} ON {table} "
            f"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {name}()"
        )

    def remove_sql(self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> Any:
        """SQL that drops the trigger and its function."""
        _, table, name = self.quoted(model, schema_editor)
        return f"DROP TRIGGER IF EXISTS {name} ON {table}; DROP FUNCTION IF EXISTS {name}()"

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        """How migrations serialise it."""
        path, args, kwargs = super().deconstruct()
        changes = {"changes": True} if self.changes else {}
        return path, args, {**kwargs, "people": self.people, **changes}
