"""The stories of an author who has left: taken away one after the other, each in batches."""

import uuid

from django.db import connection
from django.db.models import F

from backend.engine import tallies
from backend.engine.versions import every_group, remove_all, stamped, write
from backend.market.actions import remove_unordered_editions
from backend.moderation import subjects
from backend.notifications import fanout
from backend.people.models import PersonTally
from backend.reading.leaving import forget_places, forget_views
from backend.stories.models import Chapter, Revision, Shelf, Story, StoryRank, StoryStatus, StoryTally, Tombstone

NO_TEXTS = {"title": "", "summary": "", "warnings": [], "mature": False}


NEXT = """
SELECT id FROM stories_story WHERE author_id = %(author)s
AND (created_at, id) > (coalesce((SELECT created_at FROM stories_story WHERE id = %(after)s), '-infinity'), %(after)s)
ORDER BY created_at, id LIMIT 1
"""
"""The oldest one, or the one after one that stays."""

BEFORE_ALL = uuid.UUID(int=0)


def clear_story(author_id: uuid.UUID, after: uuid.UUID | None, most: int) -> tuple[bool, uuid.UUID | None]:
    """Take away the next story, or so much of it; returns whether there was one, and after which to go on.

    It is a draft first, so it is in no list, no total and no rank. A story of which an edition was ever ordered stays,
    without any text: its orders show the edition. Whoever holds the story, to view or report it, is waited for.
    """
    Shelf.objects.select_for_update(no_key=True).get(pk=author_id)  # before any story, as whoever deletes one does
    next_one = _next(author_id, after)
    if next_one is None:
        return False, after
    story = Story.objects.filter(pk=next_one).select_for_update().first()
    if story is None:  # its deletion was under way
        return True, after
    was_published = story.published_at is not None
    if was_published:
        write(
            Story.objects.filter(pk=story.pk),
            status=StoryStatus.DRAFT,
            published_at=None,
            **stamped(Story, ["status"]),
        )
    views = forget_views(story.pk, most)
    more = bool(views) or forget_places(story.pk, most) or fanout.forget_some_of_story(story.pk, most)
    stays = not more and _take_away(story.pk, author_id)
    if was_published:
        tallies.add(PersonTally, [(author_id, "stories", -1)])
    if views:
        tallies.add(StoryTally, [(story.pk, "views", -views)])
    if not more:
        StoryTally.objects.filter(subject_id=story.pk).delete()
    StoryRank.objects.filter(pk=story.pk).delete()
    return True, story.pk if stays else after


def _next(author_id: uuid.UUID, after: uuid.UUID | None) -> uuid.UUID | None:
    with connection.cursor() as cursor:
        cursor.execute(NEXT, {"author": author_id, "after": after or BEFORE_ALL})
        found = cursor.fetchone()
    return None if found is None else found[0]


def _take_away(story_id: uuid.UUID, author_id: uuid.UUID) -> bool:
    """Take away what is left of a story that nobody reads, and it too if none of its editions was ordered; whether it stays."""
    chapters = list(Chapter.objects.filter(story_id=story_id).values_list("pk", flat=True))
    remove_all(Chapter.objects.filter(story_id=story_id))
    Revision.objects.filter(story_id=story_id).delete()
    subjects.forget(story=[story_id], chapter=chapters)
    ordered = remove_unordered_editions(story_id)
    fanout.forget_story(story_id)
    if ordered:
        write(Story.objects.filter(pk=story_id), **NO_TEXTS, **stamped(Story, set(every_group(Story)) - {"status"}))
        return True
    remove_all(Story.objects.filter(pk=story_id))
    write(Shelf.objects.filter(pk=author_id), story_count=F("story_count") - 1, **stamped(Shelf, ["stories"]))
    return False


def forget_tombstones(author_id: uuid.UUID, most: int) -> bool:
    """Forget so many things that the author had deleted; whether there may be more."""
    found = list(Tombstone.objects.filter(author_id=author_id).order_by("pk").values_list("pk", flat=True)[:most])
    return bool(Tombstone.objects.filter(pk__in=found).delete()[0])
