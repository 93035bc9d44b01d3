"""Looks up stories by id, as the viewer may see them: published ones, one's own drafts, and none across a block."""

import uuid
from collections.abc import Iterable

from django.db import connection

from backend.engine.tallies import total
from backend.people.queries import named
from backend.sources import Row, Rows, Value
from backend.stories.models import Shelf, StoryTally
from backend.visibility import met


def visible(viewer: str) -> str:
    """SQL: whether the viewer (an expression for a person's id) can find the story. Drafts are visible to their author only."""
    shown = f"story.published_at IS NOT NULL AND {met('story.author_id', viewer)}"
    return f"(story.author_id = {viewer} OR ({shown}))"


VISIBLE = visible("$viewer")


ORDER = "SELECT id FROM stories_chapter WHERE story_id = %s ORDER BY position"


def shelves(authors: Iterable[uuid.UUID]) -> dict[uuid.UUID, Shelf]:
    """The shelves of these authors, in one query."""
    return Shelf.objects.in_bulk(list(authors))


def order_of(story: uuid.UUID) -> list[uuid.UUID]:
    """The ids of a story's chapters, in order, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(ORDER, [story])
        return [id_ for (id_,) in cursor.fetchall()]


# --- Sources ----------------------------------------------------------------------------------------------------


BY_ID = Row(f"SELECT story.* FROM stories_story AS story WHERE story.id = $key::uuid AND {VISIBLE}", type="Story")

CHAPTER_BY_ID = Row(
    "SELECT chapter.* FROM stories_chapter AS chapter JOIN stories_story AS story ON story.id = chapter.story_id "
    f"WHERE chapter.id = $key::uuid AND {VISIBLE}",
    type="Chapter",
)

SHELF_BY_ID = Row(
    "SELECT shelf.* FROM stories_shelf AS shelf WHERE shelf.author_id = $key::uuid AND $key::uuid = $viewer",
    type="Shelf",
)

OF_PERSON_SHELF = Row(
    "SELECT shelf.* FROM stories_shelf AS shelf WHERE shelf.author_id = $row.id AND $row.id = $viewer", is_local=True
)

AUTHOR = named("$row.author_id")

OF_STORY = Rows(
    "SELECT chapter.* FROM stories_chapter AS chapter WHERE chapter.story_id = $row.id AND $row.version > 0 "
    "ORDER BY chapter.position",
    inverse="story",
)

CHAPTER_COUNT = Value(
    "(SELECT count(*) FROM stories_chapter AS chapter WHERE chapter.story_id = $row.id AND $row.version > 0)"
)

VIEW_COUNT = Value(f"CASE WHEN $row.version = 0 THEN 0 ELSE {total(StoryTally, 'views', '$row.id')} END", is_wide=True)

OF_CHAPTER = Row(f"SELECT story.* FROM stories_story AS story WHERE story.id = $row.story_id AND {VISIBLE}")

AS_THEN = {
    "chapters": Rows(
        "SELECT chapter.* FROM jsonb_populate_recordset(NULL::stories_chapter, $chapters_then::jsonb) AS chapter "
        "ORDER BY chapter.position",
        inverse="story",
    ),
    "chapterCount": Value("$chapter_count_then::int"),
}
"""Of a story as it was when a mutation wrote it: its chapters as they were then."""
