"""A database trigger as a Django constraint, so that migrations create, alter and drop it."""

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import BaseConstraint, Model


class TriggerConstraint(BaseConstraint):
    """The base of `VersionGuard`, `RemovalGuard` and `PresenceGuard`, which provide the SQL and the serialisation."""

    @property
    def triggers(self) -> Sequence[str]:
        """The names of its triggers."""
        return (self.name,)

    def constraint_sql(self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> Any:
        """Nothing: the trigger is created after CREATE TABLE."""
        assert schema_editor is not None
        schema_editor.deferred_sql.append(self.create_sql(model, schema_editor))

    def validate(self, *_args: Any, **_kwargs: Any) -> None:
        """Does nothing: only the database can check it."""

    def quoted(
        self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None
    ) -> tuple[type[Model], str, str]:
        """The model, and the quoted names of its table and of the trigger."""
        assert model is not None
        assert schema_editor is not None
        return model, schema_editor.quote_name(model._meta.db_table), schema_editor.quote_name(self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TriggerConstraint) and self.deconstruct() == other.deconstruct()

    __hash__ = None  # type: ignore[assignment]
