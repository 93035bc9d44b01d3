"""Deleting a story with everything that belongs to it, and telling whoever edits it late."""

import uuid
from collections.abc import Iterable

from django.db.models import F

from backend.engine import tallies
from backend.engine.versions import Expected, every_group, remove, remove_all, stamped, unchanged, write
from backend.market.actions import remove_editions
from backend.moderation import subjects
from backend.notifications import fanout
from backend.people.models import PersonTally
from backend.reading.models import Reading, View
from backend.stories import explain
from backend.stories.models import Chapter, Revision, Shelf, Story, StoryRank, StoryTally, Tombstone


def delete_story(story_id: uuid.UUID, author_id: uuid.UUID, seen: Expected) -> Shelf:
    """Delete the story, if nothing in it, any chapter included, has changed since `seen`; a write to the shelf too.

    Chapters, revisions, readings, views, editions, notifications and totals go with it; reports of it are resolved. Raises
    `Conflict`, `NotFound`, `Forbidden`, and `Invalid` if an edition of it was ever ordered.
    """
    shelves = write(
        Shelf.objects.filter(pk=author_id, story_count__gt=0),  # an empty one has no story to delete
        story_count=F("story_count") - 1,
        **stamped(Shelf, ["stories"]),
    )
    everything = unchanged(Story, seen, every_group(Story))
    gone = remove(Story.objects.filter(everything, pk=story_id, author_id=author_id))
    if not gone:
        raise explain.changed(explain.own_story(story_id, author_id), seen)
    chapters = list(Chapter.objects.filter(story_id=story_id).values_list("pk", flat=True))
    remove_all(Chapter.objects.filter(story_id=story_id))
    Revision.objects.filter(story_id=story_id).delete()
    bury([story_id, *chapters], author_id)
    remove_all(Reading.objects.filter(story_id=story_id))
    View.objects.filter(story_id=story_id).delete()
    subjects.forget(story=[story_id], chapter=chapters)
    remove_editions(story_id)
    fanout.forget_story(story_id)
    if gone[0].published_at is not None:
        tallies.add(PersonTally, [(author_id, "stories", -1)])
    StoryTally.objects.filter(subject_id=story_id).delete()
    StoryRank.objects.filter(story_id=story_id).delete()
    return shelves[0]


def bury(ids: Iterable[uuid.UUID], author_id: uuid.UUID) -> None:
    """Remember that these have been deleted."""
    Tombstone.objects.bulk_create(Tombstone(id=one, author_id=author_id) for one in ids)
