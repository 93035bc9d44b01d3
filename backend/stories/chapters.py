"""Writes to chapters. Each locks its story first and is a write to it too, so the chapters of a story change one at a time."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import F, Func, IntegerField, Q, QuerySet, Subquery, UUIDField, Value

from backend.engine.errors import Conflict, FieldConflict, Invalid
from backend.engine.idempotency import Applied
from backend.engine.text import Checker
from backend.engine.versions import (
    Expected,
    conflict,
    is_so_already,
    is_unchanged,
    mergeable,
    others_wrote,
    remove,
    replace,
    stamped,
    unchanged,
    write,
    write_all,
)
from backend.stories import explain, merge, revisions
from backend.stories.actions import NewChapter, Patch
from backend.stories.models import BODY_CHARACTERS, MAX_CHAPTERS, TITLE_CHARACTERS, Chapter, Story
from backend.stories.queries import order_of
from backend.stories.tombstones import bury

TEXTS = ("title", "body")
"""What updateChapter can set; each is a field group of its name."""


# --- The list of chapters ---------------------------------------------------------------------------------------


def append_chapter(story_id: uuid.UUID, author_id: uuid.UUID, new: NewChapter) -> tuple[Chapter, Story]:
    """A new last chapter. It commutes with every other write, so it expects nothing.

    Raises `NotFound`, `Forbidden`, `Invalid`.
    """
    check = Checker()
    title = check.line("chapter.title", new.title, most=TITLE_CHARACTERS)
    body = check.text("chapter.body", new.body, most=BODY_CHARACTERS)
    check.done()
    stories = replace(Story.objects.filter(pk=story_id, author_id=author_id), **stamped(Story, ["chapters"]))
    if not stories:
        raise explain.not_own_story(story_id, author_id)
    (story,) = stories
    order = order_of(story_id)
    if len(order) >= MAX_CHAPTERS:
        raise Invalid.one("story", f"has {MAX_CHAPTERS} chapters already, and may not have more.")
    chapter = Chapter(story=story, position=len(order) + 1, title=title, body=body, story_version=story.version)
    Chapter.objects.bulk_create([chapter])
    revisions.keep_order(story, author_id, order)
    return chapter, story


def delete_chapter(
    chapter_id: uuid.UUID, author_id: uuid.UUID, seen: Expected
) -> tuple[Story, Chapter, list[uuid.UUID]]:
    """Delete the chapter, if its title and text are as they were at `seen`; the later ones move up.

    Returns the story, the chapter as it was, and the ids of the remaining ones in order. What others have to do with it is
    left to the caller: see `erasure.chapters`. Raises `Conflict`, `NotFound`, `Forbidden`.
    """
    stories = replace(_story_of(chapter_id, author_id), **stamped(Story, ["chapters"]))
    if not stories:
        raise explain.not_own_chapter(chapter_id, author_id)
    (story,) = stories
    order = order_of(story.pk)
    gone = remove(Chapter.objects.filter(unchanged(Chapter, seen, TEXTS), pk=chapter_id, story_id=story.pk))
    if not gone:
        raise _conflict(_present(chapter_id, author_id), dict.fromkeys(TEXTS), seen)
    (chapter,) = gone
    write_all(
        Chapter.objects.filter(story_id=story.pk, position__gt=chapter.position),
        position=F("position") - 1,
        **stamped(Chapter, ["position"]),
    )
    revisions.keep_order(story, author_id, order, removed=chapter)
    bury([chapter_id], author_id)
    return story, chapter, [one for one in order if one != chapter_id]


def reorder_chapters(
    story_id: uuid.UUID, author_id: uuid.UUID, order: Sequence[uuid.UUID], seen: Expected
) -> tuple[Story, Applied]:
    """Put the chapters in this order, if the list of them is as it was at `seen`; what stands in them may have changed.

    Raises `Conflict`, `NotFound`, `Forbidden`, and `Invalid` unless `order` names every chapter once.
    """
    story, present = locked_list(story_id, author_id, order, seen)
    if sorted(order) != sorted(present):
        raise Invalid.one("order", f"must name each of the story's {len(present)} chapters once.")
    if list(order) == present:
        return story, Applied.NOOP
    return put_in_order(story_id, author_id, present, order), Applied.WRITTEN


def locked_list(
    story_id: uuid.UUID, author_id: uuid.UUID, mine: Sequence[uuid.UUID], seen: Expected
) -> tuple[Story, list[uuid.UUID]]:
    """The story, locked, and the present order of its chapters, if the list is as it was at `seen`.

    Raises `Conflict` for who wants it to be `mine`, `NotFound`, `Forbidden`.
    """
    story = _locked(Story.objects.filter(unchanged(Story, seen, ["chapters"]), pk=story_id, author_id=author_id))
    if story is None:
        raise _order_conflict(explain.own_story(story_id, author_id), mine, seen)
    return story, order_of(story_id)


def put_in_order(
    story_id: uuid.UUID, author_id: uuid.UUID, present: Sequence[uuid.UUID], order: Sequence[uuid.UUID]
) -> Story:
    """Give the chapters of a story that is locked their new positions, and remember the earlier order."""
    place = Func(
        Value(list(order), ArrayField(UUIDField())), F("pk"), function="array_position", output_field=IntegerField()
    )
    (story,) = replace(Story.objects.filter(pk=story_id), **stamped(Story, ["chapters"]))
    moved = Chapter.objects.filter(~Q(position=place), story_id=story_id)
    write_all(moved, position=place, **stamped(Chapter, ["position"]))
    revisions.keep_order(story, author_id, present)
    return story


def _order_conflict(story: Story, mine: Sequence[uuid.UUID], seen: Expected) -> Conflict:
    overlaps = []
    if revisions.changed_since(story, seen, ["chapters"]):
        base = revisions.bases(story, seen, ["chapters"]).get("chapters")
        overlaps = [FieldConflict("chapters", base=base, mine=list(mine), theirs=order_of(story.pk))]
    return conflict(story, seen=seen, thing=("story", story.pk), overlaps=overlaps)


# --- What stands in a chapter -----------------------------------------------------------------------------------


def update_chapter(
    chapter_id: uuid.UUID, author_id: uuid.UUID, patch: Patch, seen: Expected, *, merge: bool
) -> tuple[Chapter, Story, Applied]:
    """Set the title or text that `patch` names, if they (with `merge`) or both (without) are as they were at `seen`.

    With `merge`, a text that somebody else has changed is merged by paragraphs, if no paragraph was changed by both.
    Raises `Conflict`, with a suggestion where the text was changed by both, `NotFound`, `Forbidden`, `Invalid`.
    """
    return set_texts(chapter_id, author_id, _checked_patch(patch), seen, reads=None if merge else TEXTS)


def set_texts(
    chapter_id: uuid.UUID, author_id: uuid.UUID, values: Patch, seen: Expected, *, reads: Sequence[str] | None
) -> tuple[Chapter, Story, Applied]:
    """The one conditioned write of a chapter's title and text. `reads` must be unchanged; None merges field by field."""
    story = _locked(_story_of(chapter_id, author_id))
    if story is None:
        raise explain.not_own_chapter(chapter_id, author_id)
    clean = mergeable(Chapter, values, seen) if reads is None else unchanged(Chapter, seen, reads)
    chapter = _written(story, chapter_id, values, clean)
    if chapter is None:
        present = _present(chapter_id, author_id)
        present.story = story
        if is_so_already(present, values) and is_unchanged(present, seen, reads or ()):
            return present, story, Applied.NOOP
        values = _with_text_merged(present, values, seen, may_merge=reads is None)
        if is_so_already(present, values):
            return present, story, Applied.NOOP
        chapter = _written(story, chapter_id, values, Q(version=present.version))
        assert chapter is not None, "the lock on the story holds off every other write to its chapters"
    revisions.keep(chapter, author_id, values)
    (chapter.story,) = write(Story.objects.filter(pk=story.pk), **stamped(Story, ["texts"]))
    merged = reads is None and others_wrote(chapter, seen)
    return chapter, chapter.story, Applied.MERGED if merged else Applied.WRITTEN


def _written(story: Story, chapter_id: uuid.UUID, values: Patch, clean: Q) -> Chapter | None:
    rows = replace(
        Chapter.objects.filter(~Q(**values), clean, pk=chapter_id, story_id=story.pk),
        **values,
        story_version=story.version + 1,
        **stamped(Chapter, values),
    )
    return rows[0] if rows else None


def _with_text_merged(present: Chapter, values: Patch, seen: Expected, *, may_merge: bool) -> dict[str, Any]:
    """The values with both sides' paragraphs in the text. Raises `Conflict` if something else collides, or they do."""
    refusal = _conflict(present, values, seen)
    mine = {overlap.path: overlap for overlap in refusal.overlaps if overlap.mine != overlap.theirs}
    text = mine.get("body")
    if text is None or text.base is None:
        raise refusal
    parts = merge.three_way(text.base, text.mine, text.theirs)
    merged = merge.merged(parts)
    # Nothing is left where each deleted what the other one kept; and what both added may be too much for a chapter.
    if merged is not None and not 0 < len(merged.strip()) <= len(merged) <= BODY_CHARACTERS:
        raise refusal
    if not may_merge or merged is None or len(mine) > 1:
        refusal.suggestion = {"body": merge.suggestion(parts)}
        raise refusal
    return {**values, "body": merged}


def _checked_patch(patch: Patch) -> dict[str, Any]:
    check = Checker()
    values = {}
    if "title" in patch:
        values["title"] = check.line("patch.title", patch["title"], most=TITLE_CHARACTERS)
    if "body" in patch:
        values["body"] = check.text("patch.body", patch["body"], most=BODY_CHARACTERS)
    if not values:
        check.wrong("patch", "must name at least one field.")
    check.done()
    return values


# --- What they share --------------------------------------------------------------------------------------------


def _story_of(chapter_id: uuid.UUID, author_id: uuid.UUID) -> "QuerySet[Story]":
    """The story that has this chapter, if it is the author's."""
    story = Subquery(Chapter.objects.filter(pk=chapter_id).values("story_id"))
    return Story.objects.filter(pk=story, author_id=author_id)


def _locked(stories: "QuerySet[Story]") -> Story | None:
    """The story, locked against every other write to it or to its chapters; its readers are not held off."""
    return next(iter(stories.select_for_update(no_key=True)), None)


def _present(chapter_id: uuid.UUID, author_id: uuid.UUID) -> Chapter:
    """The chapter as it is now, under the lock on its story. Raises `NotFound` if it was deleted before that was had."""
    chapter = Chapter.objects.filter(pk=chapter_id).first()
    if chapter is None:
        raise explain.gone(chapter_id, author_id, explain.UNKNOWN_CHAPTER)
    return chapter


def _conflict(chapter: Chapter, mine: Mapping[str, Any], seen: Expected) -> Conflict:
    overlaps = revisions.overlaps(chapter, mine, seen)
    return conflict(chapter, seen=seen, thing=("chapter", chapter.pk), overlaps=overlaps)
