"""A trigger as a Django constraint: migrations create, alter and drop it like any other."""

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import BaseConstraint, Model


class TriggerConstraint(BaseConstraint):
    """What the two guards of rows have in common. Each says its own SQL, and how migrations write it down."""

    def constraint_sql(self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> Any:
        """Nothing inside CREATE TABLE; the trigger is made after it."""
        assert schema_editor is not None
        schema_editor.deferred_sql.append(self.create_sql(model, schema_editor))

    def validate(self, *_args: Any, **_kwargs: Any) -> None:
        """Nothing to say about a single instance: only the database sees what is written, and when."""

    def quoted(
        self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None
    ) -> tuple[type[Model], str, str]:
        """The model, and the names of its table and of the trigger, as SQL has them."""
        assert model is not None
        assert schema_editor is not None
        return model, schema_editor.quote_name(model._meta.db_table), schema_editor.quote_name(self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TriggerConstraint) and self.deconstruct() == other.deconstruct()

    __hash__ = None  # type: ignore[assignment]
