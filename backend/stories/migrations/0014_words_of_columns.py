from django.db import migrations

OF_COLUMNS = """
DROP TRIGGER story_words_changed ON stories_story;
CREATE TRIGGER story_words_changed AFTER UPDATE OF title, summary, published_at ON stories_story FOR EACH ROW
    WHEN (ROW(OLD.title, OLD.summary, OLD.published_at) IS DISTINCT FROM ROW(NEW.title, NEW.summary, NEW.published_at))
    EXECUTE FUNCTION stories_keep_words();
DROP TRIGGER chapter_words_changed ON stories_chapter;
CREATE TRIGGER chapter_words_changed AFTER UPDATE OF title ON stories_chapter FOR EACH ROW
    WHEN (OLD.title IS DISTINCT FROM NEW.title) EXECUTE FUNCTION stories_keep_words_of_chapter();
"""


class Migration(migrations.Migration):
    """Let an update that does not write titles, summaries or dates ask no trigger whether they changed."""

    dependencies = [("stories", "0013_handed")]
    operations = [migrations.RunSQL(OF_COLUMNS, migrations.RunSQL.noop)]
