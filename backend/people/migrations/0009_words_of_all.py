from typing import Any

from django.db import migrations

from backend.engine import words


def fill(_apps: Any, schema_editor: Any) -> None:
    """In batches, each a transaction of its own: servers go on writing meanwhile, and the triggers with them."""
    words.fill(schema_editor.connection, "people_person", "people_index_words")


class Migration(migrations.Migration):
    """Index everybody who is there already. It can be run again after it was interrupted."""

    atomic = False
    dependencies = [("people", "0008_words")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
