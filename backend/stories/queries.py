"""Looks up stories by id, as the viewer may see them: published ones, drafts that one writes, and none across a block."""

import uuid
from typing import Any

from django.db.models import QuerySet, Subquery

from backend.engine.declarations import select
from backend.engine.statements import Declared, Result, compiled
from backend.engine.tallies import total
from backend.people.queries import named
from backend.sources import Row, Rows, Value
from backend.stories.models import Chapter, Shelf, Story, StoryTally
from backend.stories.rights import Right, may, written_story_of
from backend.visibility import met


def visible(viewer: str) -> str:
    """SQL: whether the viewer (an expression for a person's id) can find the story. Drafts are for those who write them."""
    shown = f"(story.published_at IS NOT NULL OR {viewer} = ANY(story.writers)) AND {met('story.author_id', viewer)}"
    return f"(story.author_id = {viewer} OR ({shown}))"


VISIBLE = visible("$viewer")


@compiled
def shelf_of(*, author: uuid.UUID) -> Declared[Shelf]:
    """The author's shelf."""
    return select(Shelf.objects.filter(pk=author))


class Order:
    """The ids of a story's chapters, in order. To look at them sends the query."""

    def __init__(self, asked: Result[tuple[uuid.UUID]]) -> None:
        self._asked = asked

    @property
    def ids(self) -> list[uuid.UUID]:
        """The ids."""
        return [id_ for (id_,) in self._asked.rows]


def order_of(story: uuid.UUID) -> Order:
    """Of this story."""
    return Order(_order_of(story=story))


@compiled
def _order_of(*, story: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    return select(Chapter.objects.filter(story_id=story).order_by("position").values_list("pk"))


def order_beside(chapter: uuid.UUID) -> Order:
    """Of the story that has this chapter."""
    return Order(_order_beside(chapter=chapter))


@compiled
def _order_beside(*, chapter: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    return select(beside(chapter).order_by("position").values_list("pk"))


def beside(chapter: Any) -> "QuerySet[Chapter]":
    """The chapters of the story that has this one."""
    return Chapter.objects.filter(story_id=Subquery(Chapter.objects.filter(pk=chapter).values("story_id")))


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


# --- Replays ----------------------------------------------------------------------------------------------------


@compiled
def _written_by(*, story: uuid.UUID, person: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    return select(Story.objects.filter(may(person, Right.WRITE), pk=story).values_list("pk"))


@compiled
def _text_written_by(*, chapter: uuid.UUID, person: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    return select(written_story_of(chapter, person).values_list("pk"))


def _is_theirs(story: Story, person: uuid.UUID) -> bool:
    return _written_by(story=story.pk, person=person).row is not None


def _is_text_of_theirs(chapter: Chapter, person: uuid.UUID) -> bool:
    return _text_written_by(chapter=chapter.pk, person=person).row is not None


STILL_THERE = {Story: _is_theirs, Chapter: _is_text_of_theirs}
"""A reply to a write shows what only those see who write the story, some of it as it is now: so not to who was removed since."""
