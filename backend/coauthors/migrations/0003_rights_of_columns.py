from django.db import migrations

OF_COLUMNS = """
DROP TRIGGER story_coauthors_changed ON stories_story;
CREATE TRIGGER story_coauthors_changed AFTER UPDATE OF writers, managers ON stories_story FOR EACH ROW
    WHEN (ROW(OLD.writers, OLD.managers) IS DISTINCT FROM ROW(NEW.writers, NEW.managers)) EXECUTE FUNCTION coauthors_keep();
"""


class Migration(migrations.Migration):
    """Let an update that does not write rights ask no trigger whether they changed."""

    dependencies = [("coauthors", "0002_handed")]
    operations = [migrations.RunSQL(OF_COLUMNS, migrations.RunSQL.noop)]
