"""Moderators' writes to stories: like other writes, with a revision that names the moderator."""

import uuid

from backend.engine import tallies
from backend.engine.declarations import replace
from backend.engine.statements import Declared, compiled
from backend.engine.versions import stamped
from backend.people.models import PersonTally
from backend.stories import revisions
from backend.stories.models import Story, StoryStatus
from backend.stories.publication import draft_again


def mark_mature(story_id: uuid.UUID, moderator_id: uuid.UUID) -> None:
    """Mark the story as for adults, without a condition."""
    story = _mark_mature(story=story_id).row
    if story is not None:
        revisions.keep(story, moderator_id, ["mature"])


@compiled
def _mark_mature(*, story: uuid.UUID) -> Declared[Story]:
    return replace(Story.objects.filter(pk=story, mature=False), mature=True, **stamped(Story, ["mature"]))


def take_down(story_id: uuid.UUID, moderator_id: uuid.UUID) -> Story | None:
    """Make the story a draft again, without a condition; None if it is one. The caller must then call `count_down`."""
    story = _take_down(story=story_id).row
    if story is not None:
        revisions.keep(story, moderator_id, ["status"])
    return story


@compiled
def _take_down(*, story: uuid.UUID) -> Declared[Story]:
    return replace(
        Story.objects.filter(pk=story, status=StoryStatus.PUBLISHED),
        **draft_again(),
        **stamped(Story, ["status"]),
    )


def count_down(story: Story) -> None:
    """Lower the author's total of published stories by one."""
    tallies.add(PersonTally, [(story.author_id, "stories", -1)])
