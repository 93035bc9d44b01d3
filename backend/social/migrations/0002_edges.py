"""The views `follow` and `block`: pairs read as plain edges. Room on each page for updates in place."""

from django.db import migrations

CREATE = """
CREATE VIEW follow AS
    SELECT low_id AS follower_id, high_id AS followee_id, low_follows_at AS at
    FROM social_relationship WHERE low_follows_at IS NOT NULL
    UNION ALL
    SELECT high_id, low_id, high_follows_at
    FROM social_relationship WHERE high_follows_at IS NOT NULL;
CREATE VIEW block AS
    SELECT low_id AS blocker_id, high_id AS blocked_id, low_blocks_at AS at
    FROM social_relationship WHERE low_blocks_at IS NOT NULL
    UNION ALL
    SELECT high_id, low_id, high_blocks_at
    FROM social_relationship WHERE high_blocks_at IS NOT NULL;
"""


class Migration(migrations.Migration):
    """Adds the two views."""

    dependencies = [("social", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, "DROP VIEW follow; DROP VIEW block;")]
