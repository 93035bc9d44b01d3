"""Where the fields of `presence` come from: `$row` is a story of which the server knows who has it open, as JSON."""

from backend.people.queries import named
from backend.sources import Row, Rows
from backend.stories.queries import VISIBLE, visible
from backend.visibility import met

PRESENCE = Row("SELECT $row.key AS story_id, $row.extra AS people", is_local=True)

_STORY = f"SELECT FROM stories_story AS story WHERE story.id = $row.story_id AND {VISIBLE}"

PRESENT = Rows(
    "SELECT given.*, $row.story_id AS story_id FROM jsonb_to_recordset(coalesce($row.people, '[]')::jsonb) "
    "AS given (person_id uuid, chapter_id uuid, since timestamptz) "
    f"WHERE {met('given.person_id', '$viewer')} AND EXISTS ({_STORY} AND {visible('given.person_id')}) "
    "ORDER BY given.since, given.person_id LIMIT 100",
    is_local=False,
)
"""Those who may see the story, for those who may; blocked people hide each other."""

PRESENT_PERSON = named("$row.person_id")

PRESENT_CHAPTER = Row(
    "SELECT chapter.* FROM stories_chapter AS chapter JOIN stories_story AS story ON story.id = chapter.story_id "
    f"WHERE chapter.id = $row.chapter_id AND chapter.story_id = $row.story_id AND {VISIBLE}"
)
