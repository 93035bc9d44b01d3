from typing import Any

from django.db import migrations

from backend.engine import words

INDEX = """INSERT INTO stories_storywords (story_id, words, published_at)
    SELECT story.id, stories_words_of(story), story.published_at FROM stories_story AS story WHERE {which}
    ON CONFLICT (story_id) DO UPDATE SET words = excluded.words, published_at = excluded.published_at
    WHERE ROW(stories_storywords.words, stories_storywords.published_at)
        IS DISTINCT FROM ROW(excluded.words, excluded.published_at)"""

ONCE = f"""
CREATE OR REPLACE FUNCTION stories_words_of(story stories_story) RETURNS tsvector LANGUAGE plpgsql STABLE AS $body$
BEGIN
    RETURN katha_words(VARIADIC ARRAY[story.title, story.summary]::text[] || ARRAY(
        SELECT title::text FROM stories_chapter AS chapter WHERE chapter.story_id = story.id ORDER BY chapter.id
    ));
END
$body$;
CREATE OR REPLACE FUNCTION stories_index_words(ids uuid[]) RETURNS void LANGUAGE plpgsql AS $body$
BEGIN
    {INDEX.format(which="story.id = ANY (ids) ORDER BY story.id")};
END
$body$;
CREATE OR REPLACE FUNCTION stories_keep_words() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF TG_OP = 'INSERT'
        OR ROW(OLD.title, OLD.summary, OLD.published_at) IS DISTINCT FROM ROW(NEW.title, NEW.summary, NEW.published_at)
    THEN
        {INDEX.format(which="story.id = NEW.id")};
    END IF;
    RETURN NULL;
END
$body$;
CREATE OR REPLACE FUNCTION stories_keep_words_of_chapter() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF OLD.title IS DISTINCT FROM NEW.title THEN
        {INDEX.format(which="story.id = NEW.story_id")};
    END IF;
    RETURN NULL;
END
$body$;
CREATE OR REPLACE FUNCTION stories_keep_words_of_chapters() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
    indexed uuid[];
BEGIN
    -- A story without words is new: it is indexed at COMMIT, with these chapters. OFFSET 0 lets each be looked up by its key.
    SELECT array_agg(words.story_id) INTO indexed FROM written CROSS JOIN LATERAL (
        SELECT story_id FROM stories_storywords AS words WHERE words.story_id = written.story_id OFFSET 0
    ) AS words;
    IF indexed IS NOT NULL THEN
        PERFORM stories_index_words(indexed);
    END IF;
    RETURN NULL;
END
$body$;
DROP TRIGGER story_words_added ON stories_story;
CREATE CONSTRAINT TRIGGER story_words_added AFTER INSERT ON stories_story DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION stories_keep_words();
DROP TRIGGER story_words_changed ON stories_story;
CREATE TRIGGER story_words_changed AFTER UPDATE OF title, summary, published_at ON stories_story
    FOR EACH ROW EXECUTE FUNCTION stories_keep_words();
DROP TRIGGER chapter_words_changed ON stories_chapter;
CREATE TRIGGER chapter_words_changed AFTER UPDATE OF title ON stories_chapter
    FOR EACH ROW EXECUTE FUNCTION stories_keep_words_of_chapter();
"""


def create_functions(_apps: Any, schema_editor: Any) -> None:
    """Make the functions of this Python's Unicode data."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(words.functions())


class Migration(migrations.Migration):
    """Index a new story once, with its chapters, when it is committed; and split words at a fraction of the cost."""

    dependencies = [("people", "0012_words_of_columns"), ("stories", "0016_coauthors_by")]
    operations = [
        migrations.RunPython(create_functions, migrations.RunPython.noop),
        migrations.RunSQL(ONCE, migrations.RunSQL.noop),
    ]
