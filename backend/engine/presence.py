"""A guard below the ORM: nothing new can refer to a row that has left, whoever writes it and whenever they began to."""

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
    """Declares which of a model's foreign keys have to be of people who have not left when a row is written.

    People are the rows of whatever model these keys refer to; its column `left_at` says since when somebody is gone.

    A foreign key of which only half is asked otherwise: whoever has left still has a row. Like one it is looked at when the
    transaction commits, and locks the people's rows as one does (KEY SHARE), which waits for nothing but somebody who is
    leaving. So of a write and a leaving at the same moment the leaving sees the write, or the write is refused. With
    `changes`, a row is looked at too when these columns of it are written later.
    """

    def __init__(self, *, name: str, people: Sequence[str], changes: bool = False) -> None:
        super().__init__(name=name)
        self.people = tuple(people)
        self.changes = changes

    def create_sql(self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> Any:
        """The function, which knows the columns, and the trigger; both have the name of the constraint."""
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
        """Drop the trigger and its function."""
        _, table, name = self.quoted(model, schema_editor)
        return f"DROP TRIGGER IF EXISTS {name} ON {table}; DROP FUNCTION IF EXISTS {name}()"

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        """As migrations write it down."""
        path, args, kwargs = super().deconstruct()
        changes = {"changes": True} if self.changes else {}
        return path, args, {**kwargs, "people": self.people, **changes}
