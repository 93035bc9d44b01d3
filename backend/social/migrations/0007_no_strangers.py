from django.db import migrations

FORGET = """
SELECT set_config('katha.removal', 'social_relationship', true);
DELETE FROM social_relationship WHERE low_version = 0 AND high_version = 0
"""


class Migration(migrations.Migration):
    """Delete the rows of pairs to which nobody has written: servers from before left them when they had locked a pair."""

    dependencies = [("social", "0006_removal_log")]
    operations = [migrations.RunSQL(FORGET, migrations.RunSQL.noop)]
