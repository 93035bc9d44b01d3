"""Restores a revision: a conditioned write like any other, with a revision of its own."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from backend.engine.errors import Invalid, NotFound
from backend.engine.idempotency import Applied, Outcome
from backend.engine.versions import Expected, remove_all
from backend.sources import read
from backend.stories import revisions
from backend.stories.actions import set_fields
from backend.stories.chapters import locked_list, put_in_order, set_texts
from backend.stories.models import MAX_CHAPTERS, Chapter, Revision, Story, Tombstone


def find(revision_id: uuid.UUID, author_id: uuid.UUID) -> Revision:
    """A revision of one of the author's stories. Raises `NotFound`."""
    revision = read(Revision, revisions.BY_ID, key=revision_id, viewer=author_id)
    if revision is None:
        raise NotFound("There is no such revision.")
    return revision


def restore_revision(revision: Revision, author_id: uuid.UUID, seen: Expected) -> Outcome:
    """Set the fields of a revision to its values, if none of them has changed since `seen`.

    `seen` is a version of the story or chapter that the revision belongs to. For the list of chapters this restores the order
    and a deleted chapter; it never deletes one. The rows are `story`, and `chapter` where the revision has one. Raises
    `Conflict`, `NotFound`, `Invalid`.
    """
    values: Mapping[str, Any] = revision.values
    if revision.chapter_id is not None:
        return set_texts(revision.chapter_id, author_id, values, seen, reads=list(values))
    if revisions.CHAPTERS in values:
        return _restore_list(revision, author_id, seen)
    if "status" in values:
        raise Invalid.one("id", "is of publishing or unpublishing: use publishStory or unpublishStory.")
    return set_fields(revision.story_id, author_id, values, seen, reads=list(values))


def _restore_list(revision: Revision, author_id: uuid.UUID, seen: Expected) -> Outcome:
    """Restore the order of the revision, with later chapters at the end, and the chapter that was deleted."""
    earlier = [uuid.UUID(one) for one in revision.values[revisions.CHAPTERS]]
    story, present = locked_list(revision.story_id, author_id, earlier, seen)
    removed = revision.values.get(revisions.REMOVED)
    if removed is not None and uuid.UUID(removed["id"]) in present:  # it was restored before
        removed = None
    there = present if removed is None else [*present, uuid.UUID(removed["id"])]
    wanted = [one for one in earlier if one in there] + [one for one in there if one not in earlier]
    if wanted == present:
        return Outcome(Applied.NOOP, {"story": story})
    if len(wanted) > MAX_CHAPTERS:
        raise Invalid.one("id", f"would make more than {MAX_CHAPTERS} chapters.")
    chapter = None if removed is None else _brought_back(story, removed, wanted)
    story = put_in_order(story.pk, author_id, present, wanted)
    if chapter is None:
        return Outcome(Applied.WRITTEN, {"story": story})
    chapter.story = story
    remove_all(Tombstone.objects.filter(pk=chapter.pk))
    return Outcome(Applied.WRITTEN, {"story": story, "chapter": chapter})


def _brought_back(story: Story, removed: Mapping[str, Any], order: Sequence[uuid.UUID]) -> Chapter:
    """Insert the deleted chapter with its own id and a version that it never had: the story's, which is always higher."""
    id_, version = uuid.UUID(removed["id"]), story.version + 1
    stamps = {"position_changed": version, "title_changed": version, "body_changed": version}
    chapter = Chapter(
        id=id_,
        story=story,
        position=order.index(id_) + 1,
        title=removed["title"],
        body=removed["body"],
        story_version=version,
        version=version,
        **stamps,
    )
    Chapter.objects.bulk_create([chapter])
    return chapter
