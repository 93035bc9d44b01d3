"""Explains why a write to a story or chapter found no row: missing, somebody else's, deleted, or changed."""

import uuid
from typing import Any

from django.db.models import Q

from backend.engine.declarations import IsAny, select
from backend.engine.errors import Busy, Conflict, FieldConflict, Forbidden, NotFound, Refusal, after_busy_ms
from backend.engine.statements import Declared, Result, compiled
from backend.engine.values import moment
from backend.engine.versions import Expected, changed_since, conflict
from backend.sources import read
from backend.stories import queries, revisions
from backend.stories.models import Chapter, Story, StoryStatus
from backend.stories.revisions import Bases
from backend.stories.rights import RIGHTS, Right, right_of
from backend.stories.tombstones import stone_of

FIELDS = ("title", "summary", "mature", "warnings", "status")
"""The story's own fields; each is a field group of the same name."""

COAUTHORS = "coauthors"
"""The field that shows who writes a story beside its author. A conflict names it without values: `current` has them."""

UNKNOWN_STORY = "There is no such story."
UNKNOWN_CHAPTER = "There is no such chapter."
MAY_NOT = {
    Right.WRITE: "Only its author and co-authors can change a story.",
    Right.MANAGE: "Only its author and co-authors with the right MANAGE can do this with a story.",
    Right.OWN: "Only its author can do this with a story.",
}


def present(*, story: uuid.UUID, viewer: uuid.UUID) -> Result[Story]:
    """The present story, if the viewer can find it."""
    return read(Story, queries.BY_ID, key=story, viewer=viewer)


def own_story(
    story_id: uuid.UUID, person_id: uuid.UUID, asked: Result[Story] | None = None, right: Right = Right.WRITE
) -> Story:
    """The present story, if the person has this right to it. `asked` is it, if it was asked for.

    Raises `NotFound`, `Forbidden`.
    """
    story = (asked or present(story=story_id, viewer=person_id)).row
    if story is None:
        raise gone(story_id, person_id, UNKNOWN_STORY)
    has = right_of(person_id, story)
    if has is None or RIGHTS.index(has) < RIGHTS.index(right):
        raise Forbidden(MAY_NOT[right])
    return story


def not_own_story(story_id: uuid.UUID, person_id: uuid.UUID) -> Refusal:
    """The refusal for a person who may not write this story."""
    own_story(story_id, person_id)
    return Busy(after_ms=after_busy_ms())  # it was created or restored after the write


def not_own_chapter(chapter_id: uuid.UUID, person_id: uuid.UUID) -> Refusal:
    """The refusal for a person who may not write this chapter's story."""
    found = read(Chapter, queries.CHAPTER_BY_ID, key=chapter_id, viewer=person_id).row
    if found is None:
        return gone(chapter_id, person_id, UNKNOWN_CHAPTER)
    return not_own_story(found.story_id, person_id)


def gone(id_: uuid.UUID, person_id: uuid.UUID, otherwise: str) -> NotFound:
    """`NotFound`; whose it was is told when it was deleted."""
    stone = stone_of(id_, person_id)
    if stone is None:
        return NotFound(otherwise)
    return NotFound(f"This was deleted at {moment(stone.deleted_at)}.", deleted_at=stone.deleted_at)


def story_conflict(story: Story, mine: dict[str, Any], seen: Expected, bases: Bases) -> Conflict:
    """The conflict of a write that sets these fields of the story."""
    overlaps = revisions.overlaps(story, mine, seen, bases)
    return conflict(story, seen=seen, thing=("story", story.pk), overlaps=overlaps)


class Everything:
    """What tells a caller of all that has changed in a story. The story itself must be asked for before."""

    def __init__(self, story_id: uuid.UUID, seen: Expected) -> None:
        """Ask for it."""
        self.bases = Bases(story_id, None, seen, [*FIELDS, "chapters"])
        self.order = queries.order_of(story_id)
        self.texts = _written_since(story=story_id, version=seen.version or 0, own=list(seen.own))


@compiled
def _written_since(*, story: uuid.UUID, version: int, own: list[int]) -> Declared[tuple[int, uuid.UUID, str]]:
    written = Chapter.objects.filter(~Q(IsAny("story_version", own)), story_id=story, story_version__gt=version)
    return select(written.order_by("position").values_list("position", "pk", "title"))


def changed(story: Story, seen: Expected, asked: Everything, *, status: StoryStatus | None = None) -> Conflict:
    """The conflict of a write that depends on the whole story: lists everything that has changed since.

    For fields that the write does not set, `mine` equals `base`. A changed chapter is named by its present position.
    """
    fields, base = changed_since(story, seen, [*FIELDS, "chapters"]), asked.bases.values
    mine = {**base, "status": status} if status else base
    theirs = {"chapters": asked.order.ids, **{field: getattr(story, field) for field in FIELDS}}
    overlaps = [FieldConflict(field, base.get(field), mine.get(field), theirs[field]) for field in fields]
    if changed_since(story, seen, ["author", "coauthors"]):
        overlaps.append(FieldConflict(COAUTHORS, base=None, mine=None, theirs=None))
    if changed_since(story, seen, ["texts"]):
        overlaps += [
            FieldConflict(f"chapters.{position}", base=None, mine=None, theirs={"id": id_, "title": title})
            for position, id_, title in asked.texts.rows
        ]
    return conflict(story, seen=seen, thing=("story", story.pk), overlaps=overlaps)
