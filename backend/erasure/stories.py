"""Deletes a story with everything that belongs to it, and sweeps the stories of an author who has left."""

import uuid

from django.db import connection
from django.db.models import Exists, F, Q

from backend.changes import log
from backend.changes.kinds import SWEPT
from backend.engine import tallies
from backend.engine.declarations import delete, delete_all, select, update, update_all
from backend.engine.statements import Declared, Result, compiled
from backend.engine.versions import Expected, every_group, stamped, unchanged
from backend.nouns import collect
from backend.people.models import PersonTally
from backend.stories import explain
from backend.stories.models import Chapter, Revision, Shelf, Story, StoryRank, StoryTally
from backend.stories.publication import draft_again
from backend.stories.rights import Right
from backend.stories.tombstones import bury


def delete_story(story_id: uuid.UUID, author_id: uuid.UUID, seen: Expected) -> Shelf:
    """Delete the story if neither it nor any chapter has changed since `seen`. Also a write to the shelf.

    Everything that belongs to it is deleted; reports of it are resolved. Raises `Conflict`, `NotFound`, `Forbidden`,
    and `Invalid` if another noun still needs it, such as an edition that was ordered.
    """
    shelf = _take_off_shelf(author=author_id)
    deleted = _delete_story(story=story_id, author=author_id, seen=seen)
    texts = _delete_texts(story_id, if_deleted=True)
    gone = deleted.row
    if gone is None:
        asked, everything = explain.present(story=story_id, viewer=author_id), explain.Everything(story_id, seen)
        raise explain.changed(explain.own_story(story_id, author_id, asked, Right.OWN), seen, everything)
    chapters = [id_ for (id_,) in texts.rows]
    bury([story_id, *chapters], author_id)
    for check_story_deletion in collect("erasure", "check_story_deletion"):
        check_story_deletion(story_id)
    _tell_nouns(story_id, chapters)
    if gone.published_at is not None:
        tallies.add(PersonTally, [(author_id, "stories", -1)])
    _delete_totals(story_id)
    return shelf.rows[0]


@compiled
def _take_off_shelf(*, author: uuid.UUID) -> Declared[Shelf]:
    return update(
        Shelf.objects.filter(pk=author, story_count__gt=0),  # an empty shelf has no story to delete
        story_count=F("story_count") - 1,
        **stamped(Shelf, ["stories"]),
    )


@compiled
def _delete_story(*, story: uuid.UUID, author: uuid.UUID, seen: Expected) -> Declared[Story]:
    everything = unchanged(Story, seen, every_group(Story))
    return delete(Story.objects.filter(everything, pk=story, author_id=author))


def _delete_texts(story_id: uuid.UUID, *, if_deleted: bool = False) -> Result[tuple[uuid.UUID]]:
    """Delete the chapters and the history of a story; the result is the ids of the chapters.

    With `if_deleted` nothing happens unless the story is deleted already, so that nobody has to look at that first.
    """
    chapters = _chapters(if_deleted, story=story_id)
    _delete_chapters(if_deleted, story=story_id)
    _delete_revisions(if_deleted, story=story_id)
    return chapters


@compiled
def _chapters(if_deleted: bool, *, story: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    return select(Chapter.objects.filter(_goes(if_deleted, story), story_id=story).values_list("pk"))


@compiled
def _delete_chapters(if_deleted: bool, *, story: uuid.UUID) -> Declared[Chapter]:
    return delete_all(Chapter.objects.filter(_goes(if_deleted, story), story_id=story))


@compiled
def _delete_revisions(if_deleted: bool, *, story: uuid.UUID) -> Declared[Revision]:
    return delete_all(Revision.objects.filter(_goes(if_deleted, story), story_id=story))


def _goes(if_deleted: bool, story: uuid.UUID) -> Q:
    """Filter: the story is deleted, where that matters."""
    return ~Q(Exists(Story.objects.filter(pk=story))) if if_deleted else Q()


def _tell_nouns(story_id: uuid.UUID, chapters: list[uuid.UUID]) -> None:
    for story_deleted in collect("erasure", "story_deleted"):
        story_deleted(story_id, chapters)


def _delete_totals(story_id: uuid.UUID) -> None:
    """Delete the totals of a story and its rank; they are locked last."""
    _delete_tallies(story=story_id)
    _delete_rank(story=story_id)


@compiled
def _delete_tallies(*, story: uuid.UUID) -> Declared[StoryTally]:
    return delete_all(StoryTally.objects.filter(subject_id=story))


@compiled
def _delete_rank(*, story: uuid.UUID) -> Declared[StoryRank]:
    return delete_all(StoryRank.objects.filter(pk=story))


# --- Of an author who has left ------------------------------------------------------------------------------------

NO_TEXTS = {
    **{"title": "", "summary": "", "warnings": [], "mature": False, "held": False, "mature_held": False},
    **{"writers": [], "managers": []},
}

NEXT = """
SELECT id FROM stories_story WHERE author_id = %(author)s
AND (created_at, id) > (coalesce((SELECT created_at FROM stories_story WHERE id = %(after)s), '-infinity'), %(after)s)
ORDER BY created_at, id LIMIT 1
"""
"""The author's oldest story, or the next one after a story that stays."""

BEFORE_ALL = uuid.UUID(int=0)


def sweep_next_story(author_id: uuid.UUID, after: uuid.UUID | None, limit: int) -> tuple[bool, uuid.UUID | None]:
    """Delete the next story, or up to `limit` rows of it; returns whether there was one, and after which to continue.

    It is made a draft first, so it is in no list, no total and no rank. A story that another noun needs, such as one
    with an edition that was ordered, stays without any text. Waits for transactions that have locked the story, to view
    or report it.
    """
    Shelf.objects.select_for_update(no_key=True).get(pk=author_id)  # locked before any story, as `delete_story` does
    next_one = _next(author_id, after)
    if next_one is None:
        return False, after
    story = Story.objects.filter(pk=next_one).select_for_update().first()
    if story is None:  # deleted concurrently
        return True, after
    if story.published_at is not None:
        _withdraw(story)
        return True, after
    log.append(SWEPT, author_id, story.pk)
    if any(sweep_story(story.pk, limit) for sweep_story in collect("erasure", "sweep_story")):
        return True, after
    return True, story.pk if _take_away(story.pk, author_id) else after


def _next(author_id: uuid.UUID, after: uuid.UUID | None) -> uuid.UUID | None:
    with connection.cursor() as cursor:
        cursor.execute(NEXT, {"author": author_id, "after": after or BEFORE_ALL})
        found = cursor.fetchone()
    return None if found is None else found[0]


def _withdraw(story: Story) -> None:
    """Make the story a draft, which is in no total and no rank."""
    update_all(Story.objects.filter(pk=story.pk), **draft_again(), **stamped(Story, ["status"])).run()
    tallies.add(PersonTally, [(story.author_id, "stories", -1)])
    _delete_rank(story=story.pk)


def _take_away(story_id: uuid.UUID, author_id: uuid.UUID) -> bool:
    """Delete the rest of a story, and the story itself if no noun needs it; returns whether it stays."""
    chapters = [id_ for (id_,) in _delete_texts(story_id).rows]
    kept = [keeps_story(story_id) for keeps_story in collect("erasure", "keeps_story")]  # all are called
    stays = any(kept)
    _tell_nouns(story_id, chapters)
    if stays:
        texts = set(every_group(Story)) - {"status"}
        update_all(Story.objects.filter(pk=story_id), **NO_TEXTS, **stamped(Story, texts)).run()
    else:
        delete_all(Story.objects.filter(pk=story_id)).run()
        _take_off_shelf(author=author_id)
    _delete_totals(story_id)
    return stays
