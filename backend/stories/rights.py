"""Who may write a story: its author, and the co-authors that the author has let in.

Their ids stand in the row of the story itself. So a right is a filter on the write like everything else that it depends on, and
PostgreSQL re-checks it after a lock wait: of a removal and an edit at the same moment, the edit comes first or is refused.
"""

import uuid
from typing import Any

from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Subquery

from backend.engine.declarations import IsAny
from backend.engine.versions import stamped
from backend.stories.models import Chapter, Story


class Right(models.TextChoices):
    """What somebody may do with a story; each right has those before it."""

    WRITE = "WRITE", "write it"
    MANAGE = "MANAGE", "publish it, and say who writes it"
    OWN = "OWN", "everything"


RIGHTS = list(Right)
"""In this order."""


def may(person: Any, right: Right) -> Q:
    """Filter: this person has this right to the story."""
    own = Q(author_id=person)
    if right is Right.OWN:
        return own
    return own | Q(IsAny(person, F("writers" if right is Right.WRITE else "managers")))


def stamped_by(person: Any, *others: str) -> dict[str, Any]:
    """The values that each write to who writes a story sets; `others` are further groups that it stamps.

    `person` made it, and writes the story afterwards; None if nobody is told who. Who leaves a story is not: a block that ends
    what two people write together has to look like that.
    """
    return {"coauthors_by": person, **stamped(Story, ["coauthors", *others])}


def written_story_of(chapter: Any, writer: Any) -> "models.QuerySet[Story]":
    """The story that has this chapter, if this person may write it."""
    story = Subquery(Chapter.objects.filter(pk=chapter).values("story_id"))
    return Story.objects.filter(may(writer, Right.WRITE), pk=story)


def is_written_by(writer: Any) -> Exists:
    """Filter: a chapter of a story that this person may write."""
    return Exists(Story.objects.filter(may(writer, Right.WRITE), pk=OuterRef("story_id")))


def right_of(person: uuid.UUID, story: Story) -> Right | None:
    """What this person may do with a story in memory; None for a reader. Only to explain a refusal, never to decide."""
    if story.author_id == person:
        return Right.OWN
    if person in story.managers:
        return Right.MANAGE
    return Right.WRITE if person in story.writers else None


def writes(viewer: str, story: str = "story") -> str:
    """SQL: whether the viewer (an expression for a person's id) may write the story (an alias)."""
    return f"({story}.author_id = {viewer} OR {viewer} = ANY({story}.writers))"


def manages(viewer: str, story: str = "story") -> str:
    """SQL: whether the viewer may publish the story and say who writes it."""
    return f"({story}.author_id = {viewer} OR {viewer} = ANY({story}.managers))"


VIEWER_RIGHT = (
    "CASE WHEN $row.author_id = $viewer THEN 'OWN' WHEN $viewer = ANY($row.managers) THEN 'MANAGE' "
    "WHEN $viewer = ANY($row.writers) THEN 'WRITE' END"
)
"""SQL: what the viewer may do with a story; NULL for a reader."""
