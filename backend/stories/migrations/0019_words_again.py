from typing import Any

from django.db import migrations

from backend.engine import words


def fill(_apps: Any, schema_editor: Any) -> None:
    """In batches, each a transaction of its own: servers go on writing meanwhile, and the triggers with them."""
    words.fill(schema_editor.connection, "stories_story", "stories_index_words")


class Migration(migrations.Migration):
    """Index all stories by the functions as they are now. Only those whose words have become others are written."""

    atomic = False
    dependencies = [("stories", "0018_planned_checks")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
