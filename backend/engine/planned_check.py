"""A CHECK whose condition is in a function: PostgreSQL reads the text of a CHECK anew in each statement that writes its table.

That takes about 26 instructions for a character, and a list of choices has thousands of those: it was a tenth of what a new
story costs. A function is read and planned once in a session.
"""

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import CheckConstraint, Model

FUNCTION = """
CREATE OR REPLACE FUNCTION {name}({parameters}) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $body$
BEGIN
    RETURN {condition};
END
$body$
"""


class PlannedCheck(CheckConstraint):
    """A `CheckConstraint` for a long condition. Constraint and function have its name; the parameters are named like columns."""

    def remove_sql(self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> Any:
        """SQL that drops the constraint and its function."""
        assert schema_editor is not None
        return f"{super().remove_sql(model, schema_editor)}; DROP FUNCTION {schema_editor.quote_name(self.name)}"

    def _get_check_sql(self, model: type[Model], schema_editor: BaseDatabaseSchemaEditor) -> str:
        """Creates the function; returns its call."""
        quote = schema_editor.quote_name
        names = {path[0] for path in model._get_expr_references(self.condition)}  # type: ignore[attr-defined]
        columns = sorted(
            (quote(str(field.column)), field.db_type(schema_editor.connection))
            for field in model._meta.concrete_fields
            if names & {field.name, field.attname}
        )
        function = FUNCTION.format(
            name=quote(self.name),
            parameters=", ".join(f"{column} {of_type}" for column, of_type in columns),
            condition=super()._get_check_sql(model, schema_editor),  # type: ignore[misc]
        )
        schema_editor.execute(function, params=None)
        return f"{quote(self.name)}({', '.join(column for column, _ in columns)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlannedCheck) and super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]
