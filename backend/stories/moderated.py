"""Moderators' writes to stories: like other writes, with a revision that names the moderator."""

import uuid

from backend.engine import tallies
from backend.engine.versions import replace, stamped
from backend.people.models import PersonTally
from backend.stories import revisions
from backend.stories.models import Story, StoryStatus


def mark_mature(story_id: uuid.UUID, moderator_id: uuid.UUID) -> None:
    """Mark the story as for adults, without a condition."""
    for story in replace(Story.objects.filter(pk=story_id, mature=False), mature=True, **stamped(Story, ["mature"])):
        revisions.keep(story, moderator_id, ["mature"])


def take_down(story_id: uuid.UUID, moderator_id: uuid.UUID) -> Story | None:
    """Make the story a draft again, without a condition; None if it is one. The caller must then call `count_down`."""
    rows = replace(
        Story.objects.filter(pk=story_id, status=StoryStatus.PUBLISHED),
        status=StoryStatus.DRAFT,
        published_at=None,
        **stamped(Story, ["status"]),
    )
    for story in rows:
        revisions.keep(story, moderator_id, ["status"])
        return story
    return None


def count_down(story: Story) -> None:
    """Lower the author's total of published stories by one."""
    tallies.add(PersonTally, [(story.author_id, "stories", -1)])
