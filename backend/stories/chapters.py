"""Writes to chapters. Each locks the story first and writes to it too, so writes to one story's chapters are serialised."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import F, Func, IntegerField, Q, QuerySet, Subquery, UUIDField, Value

from backend.engine.errors import Conflict, FieldConflict, Invalid
from backend.engine.idempotency import Applied, Outcome, already_so
from backend.engine.text import Checker
from backend.engine.versions import (
    Expected,
    changed_since,
    conflict,
    every_group,
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
"""The fields that updateChapter can set; each is a field group of the same name."""


# --- The list of chapters ---------------------------------------------------------------------------------------


def append_chapter(story_id: uuid.UUID, author_id: uuid.UUID, new: NewChapter) -> tuple[Chapter, Story]:
    """Append a chapter. It commutes with every other write, so it has no condition.

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
    """Delete the chapter, if its title and text are unchanged since `seen`; later chapters move up.

    Returns the story, the deleted chapter, and the ids of the others in order. The caller deletes other nouns' rows about it:
    see `erasure.chapters`. Raises `Conflict`, `NotFound`, `Forbidden`.
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
    """Put the chapters in this order, if the list of chapters is unchanged since `seen`; their texts may have changed.

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
    """Lock the story; returns it and the present order of its chapters, if the list is unchanged since `seen`.

    `mine` is the wanted order, for the conflict. Raises `Conflict`, `NotFound`, `Forbidden`.
    """
    story = _locked(Story.objects.filter(unchanged(Story, seen, ["chapters"]), pk=story_id, author_id=author_id))
    if story is None:
        raise _order_conflict(explain.own_story(story_id, author_id), mine, seen)
    return story, order_of(story_id)


def put_in_order(
    story_id: uuid.UUID, author_id: uuid.UUID, present: Sequence[uuid.UUID], order: Sequence[uuid.UUID]
) -> Story:
    """Give the chapters of a locked story their new positions, and keep the earlier order as a revision."""
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
    if changed_since(story, seen, ["chapters"]):
        base = revisions.bases(story, seen, ["chapters"]).get("chapters")
        overlaps = [FieldConflict("chapters", base=base, mine=list(mine), theirs=order_of(story.pk))]
    return conflict(story, seen=seen, thing=("story", story.pk), overlaps=overlaps)


# --- The text of a chapter --------------------------------------------------------------------------------------


def update_chapter(
    chapter_id: uuid.UUID, author_id: uuid.UUID, patch: Patch, seen: Expected, *, merge: bool
) -> Outcome:
    """Set the fields in `patch`, if they (with `merge`) or both title and text (without) are unchanged since `seen`.

    With `merge`, a text that somebody else has changed is merged by paragraphs, unless both changed the same paragraph; the
    answer is MERGED, also if the merged text is the stored one and nothing is written. The rows are `chapter` and `story`.
    Raises `Conflict` (with a suggested merge if both changed the text), `NotFound`, `Forbidden`, `Invalid`.
    """
    return set_texts(chapter_id, author_id, _checked_patch(patch), seen, reads=None if merge else TEXTS)


def set_texts(
    chapter_id: uuid.UUID, author_id: uuid.UUID, values: Patch, seen: Expected, *, reads: Sequence[str] | None
) -> Outcome:
    """The one conditioned write of a chapter's title and text. `reads` must be unchanged; None merges field by field."""
    sent = {name: values[name] for name in ("body",) if name in values}
    beside = [group for group in (every_group(Chapter) if reads is None else TEXTS) if group not in values]
    story = _locked(_story_of(chapter_id, author_id))
    if story is None:
        raise explain.not_own_chapter(chapter_id, author_id)
    clean = mergeable(Chapter, values, seen) if reads is None else unchanged(Chapter, seen, reads)
    chapter = _written(story, chapter_id, values, clean)
    if chapter is None:
        present = _present(chapter_id, author_id)
        present.story = story
        rows = {"chapter": present, "story": story}
        if is_so_already(present, values) and is_unchanged(present, seen, reads or ()):
            return already_so(rows, unseen=changed_since(present, seen, beside), sent=sent)
        values = _with_text_merged(present, values, seen, may_merge=reads is None)
        if is_so_already(present, values):  # others have written what was sent, and more
            return Outcome(Applied.MERGED, rows, sent=sent, is_own=False)
        chapter = _written(story, chapter_id, values, Q(version=present.version))
        assert chapter is not None, "the lock on the story holds off every other write to its chapters"
    revisions.keep(chapter, author_id, values)
    (chapter.story,) = write(Story.objects.filter(pk=story.pk), **stamped(Story, ["texts"]))
    merged = others_wrote(chapter, seen) if reads is None else bool(changed_since(chapter, seen, beside))
    return Outcome(
        Applied.MERGED if merged else Applied.WRITTEN,
        {"chapter": chapter, "story": chapter.story},
        sent=sent,
        is_own=is_so_already(chapter, sent),
    )


def _written(story: Story, chapter_id: uuid.UUID, values: Patch, clean: Q) -> Chapter | None:
    rows = replace(
        Chapter.objects.filter(~Q(**values), clean, pk=chapter_id, story_id=story.pk),
        **values,
        story_version=story.version + 1,
        **stamped(Chapter, values),
    )
    return rows[0] if rows else None


def _with_text_merged(present: Chapter, values: Patch, seen: Expected, *, may_merge: bool) -> dict[str, Any]:
    """The values with a merged text. Raises `Conflict` if paragraphs or other fields collide."""
    refusal = _conflict(present, values, seen)
    mine = {overlap.path: overlap for overlap in refusal.overlaps if overlap.mine != overlap.theirs}
    text = mine.get("body")
    if text is None or text.base is None:
        raise refusal
    parts = merge.three_way(text.base, text.mine, text.theirs)
    merged = merge.merged(parts)
    # The merged text may be empty, if each deleted what the other kept, or too long, if both added text.
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


# --- Helpers ----------------------------------------------------------------------------------------------------


def _story_of(chapter_id: uuid.UUID, author_id: uuid.UUID) -> "QuerySet[Story]":
    """The story that has this chapter, if it is the author's."""
    story = Subquery(Chapter.objects.filter(pk=chapter_id).values("story_id"))
    return Story.objects.filter(pk=story, author_id=author_id)


def _locked(stories: "QuerySet[Story]") -> Story | None:
    """Lock the story against other writes to it or its chapters; reads and foreign key checks are not blocked."""
    return next(iter(stories.select_for_update(no_key=True)), None)


def _present(chapter_id: uuid.UUID, author_id: uuid.UUID) -> Chapter:
    """The present chapter, read after its story was locked. Raises `NotFound` if it was deleted before."""
    chapter = Chapter.objects.filter(pk=chapter_id).first()
    if chapter is None:
        raise explain.gone(chapter_id, author_id, explain.UNKNOWN_CHAPTER)
    return chapter


def _conflict(chapter: Chapter, mine: Mapping[str, Any], seen: Expected) -> Conflict:
    overlaps = revisions.overlaps(chapter, mine, seen)
    return conflict(chapter, seen=seen, thing=("chapter", chapter.pk), overlaps=overlaps)
