"""Ranks the stories that were published before there were ranks."""

from django.db import migrations

RANK = """
INSERT INTO stories_storyrank (story_id, views)
SELECT story.id, coalesce((SELECT sum(count) FROM stories_storytally WHERE subject_id = story.id AND kind = 'views'), 0)
FROM stories_story AS story WHERE story.published_at IS NOT NULL
ON CONFLICT (story_id) DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [("stories", "0002_editing")]
    operations = [migrations.RunSQL(RANK, migrations.RunSQL.noop)]
