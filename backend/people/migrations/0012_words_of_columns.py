from django.db import migrations

OF_COLUMNS = """
DROP TRIGGER person_words_changed ON people_person;
CREATE TRIGGER person_words_changed AFTER UPDATE OF handle, name, left_at ON people_person FOR EACH ROW
    WHEN (ROW(OLD.handle, OLD.name, OLD.left_at) IS DISTINCT FROM ROW(NEW.handle, NEW.name, NEW.left_at)) EXECUTE FUNCTION people_keep_words();
"""


class Migration(migrations.Migration):
    """Let an update that does not write names ask no trigger whether they changed."""

    dependencies = [("people", "0011_change_log")]
    operations = [migrations.RunSQL(OF_COLUMNS, migrations.RunSQL.noop)]
