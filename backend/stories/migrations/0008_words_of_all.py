from typing import Any

from django.db import migrations

from backend.engine import words


def fill(_apps: Any, schema_editor: Any) -> None:
    """In batches, each a transaction of its own: servers go on writing meanwhile, and the triggers with them."""
    words.fill(schema_editor.connection, "stories_story", "stories_index_words")


class Migration(migrations.Migration):
    """Index the stories that are there already, and drop the index that a server's locale decided."""

    atomic = False
    dependencies = [("stories", "0007_words")]
    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.RemoveIndex(model_name="story", name="story_search"),
    ]
