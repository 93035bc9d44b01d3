import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Q

KEEP = """
CREATE FUNCTION stories_words_of(story stories_story) RETURNS tsvector LANGUAGE sql STABLE AS $body$
    SELECT katha_words(VARIADIC ARRAY[story.title, story.summary]::text[] || ARRAY(
        SELECT title::text FROM stories_chapter AS chapter WHERE chapter.story_id = story.id ORDER BY chapter.id
    ))
$body$;
CREATE FUNCTION stories_index_words(ids uuid[]) RETURNS void LANGUAGE sql AS $body$
    INSERT INTO stories_storywords (story_id, words, published_at)
    SELECT story.id, stories_words_of(story), story.published_at
    FROM stories_story AS story WHERE story.id = ANY (ids) ORDER BY story.id
    ON CONFLICT (story_id) DO UPDATE SET words = excluded.words, published_at = excluded.published_at
    WHERE ROW(stories_storywords.words, stories_storywords.published_at)
        IS DISTINCT FROM ROW(excluded.words, excluded.published_at)
$body$;
CREATE FUNCTION stories_keep_words() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    PERFORM stories_index_words(ARRAY[NEW.id]);
    RETURN NULL;
END
$body$;
CREATE FUNCTION stories_keep_words_of_chapter() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    PERFORM stories_index_words(ARRAY[NEW.story_id]);
    RETURN NULL;
END
$body$;
CREATE FUNCTION stories_keep_words_of_chapters() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    PERFORM stories_index_words(ARRAY(SELECT DISTINCT story_id FROM written));
    RETURN NULL;
END
$body$;
CREATE FUNCTION stories_drop_words() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    DELETE FROM stories_storywords WHERE story_id = OLD.id;
    RETURN NULL;
END
$body$;
CREATE TRIGGER story_words_added AFTER INSERT ON stories_story FOR EACH ROW EXECUTE FUNCTION stories_keep_words();
CREATE TRIGGER story_words_changed AFTER UPDATE ON stories_story FOR EACH ROW
    WHEN (ROW(OLD.title, OLD.summary, OLD.published_at) IS DISTINCT FROM ROW(NEW.title, NEW.summary, NEW.published_at))
    EXECUTE FUNCTION stories_keep_words();
CREATE TRIGGER story_words_dropped AFTER DELETE ON stories_story FOR EACH ROW EXECUTE FUNCTION stories_drop_words();
CREATE TRIGGER chapter_words_added AFTER INSERT ON stories_chapter REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION stories_keep_words_of_chapters();
CREATE TRIGGER chapter_words_changed AFTER UPDATE ON stories_chapter FOR EACH ROW WHEN (OLD.title IS DISTINCT FROM NEW.title)
    EXECUTE FUNCTION stories_keep_words_of_chapter();
CREATE TRIGGER chapter_words_dropped AFTER DELETE ON stories_chapter REFERENCING OLD TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION stories_keep_words_of_chapters();
"""

LET_GO = """
DROP TRIGGER story_words_added ON stories_story;
DROP TRIGGER story_words_changed ON stories_story;
DROP TRIGGER story_words_dropped ON stories_story;
DROP TRIGGER chapter_words_added ON stories_chapter;
DROP TRIGGER chapter_words_changed ON stories_chapter;
DROP TRIGGER chapter_words_dropped ON stories_chapter;
DROP FUNCTION stories_keep_words, stories_keep_words_of_chapter, stories_keep_words_of_chapters, stories_drop_words;
DROP FUNCTION stories_index_words, stories_words_of;
"""


class Migration(migrations.Migration):
    """Words of stories and of the titles of their chapters, kept by triggers; what is there already follows in the next one."""

    dependencies = [("people", "0008_words"), ("stories", "0006_removal_guards")]
    operations = [
        migrations.CreateModel(
            name="StoryWords",
            fields=[
                (
                    "story",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="stories.story",
                    ),
                ),
                ("words", django.contrib.postgres.search.SearchVectorField()),
                ("published_at", models.DateTimeField(null=True)),
            ],
            options={"verbose_name_plural": "words of stories"},
        ),
        migrations.AddIndex(
            model_name="storywords",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["words"], condition=Q(published_at__isnull=False), name="story_words", fastupdate=False
            ),
        ),
        migrations.AddIndex(
            model_name="storywords",
            index=models.Index(
                F("published_at").desc(),
                F("story").desc(),
                condition=Q(published_at__isnull=False),
                name="story_words_published",
            ),
        ),
        migrations.RunSQL(KEEP, LET_GO),
    ]
