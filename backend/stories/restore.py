"""Restores a revision: a conditioned write like any other, with a revision of its own."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from backend.engine.declarations import insert
from backend.engine.errors import Invalid, NotFound, Wrong
from backend.engine.idempotency import Applied, Outcome
from backend.engine.statements import Declared, Result, compiled
from backend.engine.versions import Expected
from backend.sources import read
from backend.stories import revisions
from backend.stories.actions import set_fields
from backend.stories.chapters import locked_list, put_in_order, set_texts
from backend.stories.models import MAX_CHAPTERS, Chapter, Revision, Story
from backend.stories.point_in_time import UNWANTED, Moments
from backend.stories.rights import Right
from backend.stories.tombstones import unbury


def find(revision_id: uuid.UUID, writer_id: uuid.UUID) -> Revision:
    """A revision of a story that this person may write. Raises `NotFound`."""
    revision = read(Revision, revisions.BY_ID, key=revision_id, viewer=writer_id).row
    if revision is None:
        raise NotFound("There is no such revision.")
    return revision


def restore_revision(revision: Revision, writer_id: uuid.UUID, seen: Expected, moments: Moments = UNWANTED) -> Outcome:
    """Set the fields of a revision to its values, if none of them has changed since `seen`.

    `seen` is a version of the story or chapter that the revision belongs to. For the list of chapters this restores the order
    and a deleted chapter; it never deletes one. The rows are `story`, and `chapter` where the revision has one. Raises
    `Conflict`, `NotFound`, `Invalid`.
    """
    values: Mapping[str, Any] = revision.values
    reads = tuple(values)
    if revision.chapter_id is not None:
        return set_texts(revision.chapter_id, writer_id, values, seen, reads=reads, moments=moments)
    if revisions.CHAPTERS in values:
        return _restore_list(revision, writer_id, seen, moments)
    if "status" in values:
        raise Invalid.one("id", "is of publishing or unpublishing: use publishStory or unpublishStory.")
    return set_fields(revision.story_id, writer_id, values, seen, reads=reads, moments=moments)


def _restore_list(revision: Revision, writer_id: uuid.UUID, seen: Expected, moments: Moments) -> Outcome:
    """Restore the order of the revision, with later chapters at the end, and the chapter that was deleted."""
    earlier = [uuid.UUID(one) for one in revision.values[revisions.CHAPTERS]]
    removed = revision.values.get(revisions.REMOVED)
    right = Right.MANAGE if removed is None else Right.WRITE  # as for reorderChapters and deleteChapter
    story, present = locked_list(revision.story_id, writer_id, earlier, seen, right)
    if removed is not None and uuid.UUID(removed["id"]) in present:  # it was restored before
        removed = None
    there = present if removed is None else [*present, uuid.UUID(removed["id"])]
    wanted = [one for one in earlier if one in there] + [one for one in there if one not in earlier]
    if wanted == present:
        moments.of(story.pk)
        return Outcome(Applied.NOOP, {"story": story})
    if len(wanted) > MAX_CHAPTERS:
        raise Invalid.one("id", f"would make more than {MAX_CHAPTERS} chapters.", Wrong.TOO_MANY, MAX_CHAPTERS)
    back = None if removed is None else _bring_back(story, removed, wanted)
    story = put_in_order(story, writer_id, present, wanted, moments)
    if back is None:
        return Outcome(Applied.WRITTEN, {"story": story})
    chapter = back.rows[0]
    chapter.story = story
    unbury(chapter.pk)
    return Outcome(Applied.WRITTEN, {"story": story, "chapter": chapter})


def _bring_back(story: Story, removed: Mapping[str, Any], order: Sequence[uuid.UUID]) -> Result[Chapter]:
    """Insert the deleted chapter with its own id and a version that it never had: the story's, which is always higher."""
    id_ = uuid.UUID(removed["id"])
    return _insert(
        id=id_,
        story=story.pk,
        position=order.index(id_) + 1,
        title=removed["title"],
        body=removed["body"],
        version=story.version + 1,
    )


@compiled
def _insert(
    *, id: uuid.UUID, story: uuid.UUID, position: int, title: str, body: str, version: int
) -> Declared[Chapter]:
    return insert(
        Chapter,
        id=id,
        story=story,
        position=position,
        title=title,
        body=body,
        story_version=version,
        version=version,
        position_changed=version,
        title_changed=version,
        body_changed=version,
    )
