"""Moderators' writes to stories: like other writes, with a revision that names the moderator.

What a moderator sets is held: the author cannot undo it until the hold is lifted, which leaves the rest to the author. A hold is
a part of the author's own condition (`actions`), and constraints of the table keep it below that.
"""

import uuid

from django.db.models import Q

from backend.engine import tallies
from backend.engine.declarations import replace, select
from backend.engine.statements import Declared, compiled
from backend.engine.versions import stamped
from backend.people.models import PersonTally
from backend.stories import revisions
from backend.stories.models import Story, StoryStatus
from backend.stories.publication import draft_again


def mark_mature(story_id: uuid.UUID, moderator_id: uuid.UUID) -> None:
    """Mark the story as for adults and hold that, without a condition."""
    story = _mark_mature(story=story_id).row
    if story is not None and not _before(story, "mature"):
        revisions.keep(story, moderator_id, ["mature"], moderated=True)


@compiled
def _mark_mature(*, story: uuid.UUID) -> Declared[Story]:
    free = Q(mature=False) | Q(mature_held=False)
    values = {"mature": True, "mature_held": True}
    return replace(Story.objects.filter(free, pk=story), **values, **stamped(Story, ["mature", "holds"]))


def take_down(story_id: uuid.UUID, moderator_id: uuid.UUID) -> Story | None:
    """Make the story a draft and hold that, without a condition.

    Returns the story if it was published: the caller must then call `count_down`.
    """
    story = _take_down(story=story_id).row
    if story is None or _before(story, "status") != StoryStatus.PUBLISHED:
        return None
    revisions.keep(story, moderator_id, ["status"], moderated=True)
    return story


@compiled
def _take_down(*, story: uuid.UUID) -> Declared[Story]:
    free = Q(status=StoryStatus.PUBLISHED) | Q(held=False)
    return replace(
        Story.objects.filter(free, pk=story), **draft_again(), held=True, **stamped(Story, ["status", "holds"])
    )


def _before(story: Story, field: str) -> object:
    before: dict[str, object] = story.before  # type: ignore[attr-defined]
    return before[field]


def count_down(story: Story) -> None:
    """Lower the author's total of published stories by one."""
    tallies.add(PersonTally, [(story.author_id, "stories", -1)])


def lock(story_id: uuid.UUID) -> None:
    """Lock the story, so that nobody else sets or lifts a hold of it until the unit of work ends."""
    _lock(story=story_id)


@compiled
def _lock(*, story: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    return select(Story.objects.filter(pk=story).select_for_update(no_key=True).values_list("pk"))
