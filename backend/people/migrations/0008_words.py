from typing import Any

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F

from backend.engine import words

KEEP = """
CREATE FUNCTION people_index_words(ids uuid[]) RETURNS void LANGUAGE sql AS $body$
    INSERT INTO people_personwords (person_id, words, joined_at)
    SELECT id, katha_words(handle, name), joined_at FROM people_person WHERE id = ANY (ids) AND left_at IS NULL ORDER BY id
    ON CONFLICT (person_id) DO UPDATE SET words = excluded.words WHERE people_personwords.words <> excluded.words
$body$;
CREATE FUNCTION people_keep_words() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF NEW.left_at IS NULL THEN
        PERFORM people_index_words(ARRAY[NEW.id]);
    ELSE
        DELETE FROM people_personwords WHERE person_id = NEW.id;
    END IF;
    RETURN NULL;
END
$body$;
CREATE FUNCTION people_drop_words() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    DELETE FROM people_personwords WHERE person_id = OLD.id;
    RETURN NULL;
END
$body$;
CREATE TRIGGER person_words_added AFTER INSERT ON people_person FOR EACH ROW EXECUTE FUNCTION people_keep_words();
CREATE TRIGGER person_words_changed AFTER UPDATE ON people_person FOR EACH ROW
    WHEN (ROW(OLD.handle, OLD.name, OLD.left_at) IS DISTINCT FROM ROW(NEW.handle, NEW.name, NEW.left_at))
    EXECUTE FUNCTION people_keep_words();
CREATE TRIGGER person_words_dropped AFTER DELETE ON people_person FOR EACH ROW EXECUTE FUNCTION people_drop_words();
"""

LET_GO = """
DROP TRIGGER person_words_added ON people_person;
DROP TRIGGER person_words_changed ON people_person;
DROP TRIGGER person_words_dropped ON people_person;
DROP FUNCTION people_keep_words, people_drop_words, people_index_words;
"""


def create_functions(_apps: Any, schema_editor: Any) -> None:
    """Make the functions of this Python's Unicode data."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(words.functions())


class Migration(migrations.Migration):
    """Words of handles and names, kept by triggers; whoever is there already follows in the next migration."""

    dependencies = [("people", "0007_roles")]
    operations = [
        migrations.RunPython(create_functions, lambda _apps, editor: editor.execute(words.DROP)),
        migrations.CreateModel(
            name="PersonWords",
            fields=[
                (
                    "person",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="people.person",
                    ),
                ),
                ("words", django.contrib.postgres.search.SearchVectorField()),
                ("joined_at", models.DateTimeField()),
            ],
            options={"verbose_name_plural": "words of people"},
        ),
        migrations.AddIndex(
            model_name="personwords",
            index=django.contrib.postgres.indexes.GinIndex(fields=["words"], name="person_words", fastupdate=False),
        ),
        migrations.AddIndex(
            model_name="personwords",
            index=models.Index(F("joined_at").desc(), F("person").desc(), name="person_words_joined"),
        ),
        migrations.RunSQL(KEEP, LET_GO),
    ]
