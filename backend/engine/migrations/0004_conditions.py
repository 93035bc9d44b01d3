from typing import Any

from django.db import migrations

from backend.engine.trigger import TriggerConstraint


def create_again(apps: Any, schema_editor: Any) -> None:
    """Create the triggers that models declare as they are created now; what they refuse and append is the same."""
    for model in apps.get_models():
        for constraint in model._meta.constraints:
            if isinstance(constraint, TriggerConstraint):
                schema_editor.execute(constraint.remove_sql(model, schema_editor))
                schema_editor.execute(constraint.create_sql(model, schema_editor))
    schema_editor.execute("DROP FUNCTION IF EXISTS katha_refuse_unversioned_write()")


class Migration(migrations.Migration):
    """Let guards and logs decide in their functions, or name their columns: no UPDATE reads the text of a condition any more."""

    dependencies = [
        ("changes", "0001_initial"),
        ("coauthors", "0002_handed"),
        ("engine", "0003_removal_guards"),
        ("jobs", "0001_initial"),
        ("limits", "0001_initial"),
        ("live", "0001_initial"),
        ("market", "0004_change_log"),
        ("moderation", "0008_change_log"),
        ("notifications", "0006_invited"),
        ("people", "0011_change_log"),
        ("persisted", "0001_initial"),
        ("reading", "0005_change_log"),
        ("social", "0005_change_log"),
        ("stories", "0013_handed"),
        ("whispers", "0006_change_log"),
    ]
    operations = [migrations.RunPython(create_again, migrations.RunPython.noop)]
