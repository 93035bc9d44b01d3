"""Writes to chapters. Each locks the story first and writes to it too, so writes to one story's chapters are serialised."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from django.db.models import BigIntegerField, Exists, F, Func, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.expressions import RawSQL

from backend.engine import fibers
from backend.engine.declarations import delete, insert, replace, select, update, update_all
from backend.engine.errors import Conflict, FieldConflict, Invalid, Wrong
from backend.engine.idempotency import Applied, Outcome, already_so
from backend.engine.ids import uuid7
from backend.engine.statements import Declared, Result, Values, compiled
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
    stamped,
    stamped_if_new,
    unchanged,
)
from backend.stories import explain, merge, queries, revisions
from backend.stories.actions import NewChapter, Patch
from backend.stories.models import BODY_CHARACTERS, MAX_CHAPTERS, TITLE_CHARACTERS, Chapter, Story, StoryStatus
from backend.stories.point_in_time import UNWANTED, Moments
from backend.stories.revisions import CHAPTERS, Bases
from backend.stories.rights import Right, is_written_by, may, written_story_of
from backend.stories.tombstones import bury_chapter

LAST_CHAPTER = (
    "is the last chapter of a published story: add another one, or make the story a draft again (unpublishStory)."
)
TEXTS = ("title", "body")
"""The fields that updateChapter can set; each is a field group of the same name."""


# --- The list of chapters ---------------------------------------------------------------------------------------


def append_chapter(
    story_id: uuid.UUID, writer_id: uuid.UUID, new: NewChapter, moments: Moments = UNWANTED
) -> tuple[Chapter, Story]:
    """Append a chapter. It commutes with every other write, so it has no condition.

    Raises `NotFound`, `Forbidden`, `Invalid`.
    """
    check = Checker()
    title = check.line("chapter.title", new.title, most=TITLE_CHARACTERS)
    body = check.text("chapter.body", new.body, most=BODY_CHARACTERS)
    check.done()
    # All of it is sent at once, and a refusal rolls it back.
    written, order = _change_list(story=story_id, writer=writer_id), queries.order_of(story_id)
    appended = _append(id=uuid7(), story=story_id, writer=writer_id, title=title, body=body)
    moments.of(story_id)
    story = written.row
    if story is None:
        raise explain.not_own_story(story_id, writer_id)
    if len(order.ids) >= MAX_CHAPTERS:
        raise Invalid.one(
            "story", f"has {MAX_CHAPTERS} chapters already, and may not have more.", Wrong.TOO_MANY, MAX_CHAPTERS
        )
    _keep_order(story, writer_id, order.ids)
    chapter = appended.rows[0]
    chapter.story = story
    return chapter, story


@compiled
def _change_list(*, story: uuid.UUID, writer: uuid.UUID) -> Declared[Story]:
    return replace(Story.objects.filter(may(writer, Right.WRITE), pk=story), **stamped(Story, ["chapters"]))


@compiled
def _append(*, id: uuid.UUID, story: uuid.UUID, writer: uuid.UUID, title: str, body: str) -> Declared[Chapter]:
    last = RawSQL("(SELECT count(*) FROM stories_chapter WHERE story_id = %s)", [story], BigIntegerField())
    own = Story.objects.filter(may(writer, Right.WRITE), pk=story)
    return insert(
        Chapter,
        when=Exists(own),
        id=id,
        story=story,
        position=last + 1,
        title=title,
        body=body,
        story_version=Subquery(own.values("version")),
    )


def delete_chapter(
    chapter_id: uuid.UUID, writer_id: uuid.UUID, seen: Expected
) -> tuple[Story, Chapter, list[uuid.UUID]]:
    """Delete the chapter, if its title and text are unchanged since `seen`; later chapters move up.

    The last chapter of a published story stays: readers would find an empty story, without that its author has decided so.
    Returns the story, the deleted chapter, and the ids of the others in order. The caller deletes other nouns' rows about it:
    see `erasure.chapters`. Raises `Conflict`, `NotFound`, `Forbidden`, `Invalid`.
    """
    written = _change_list_with(chapter=chapter_id, writer=writer_id)
    order = queries.order_beside(chapter_id)
    gone = _delete(chapter=chapter_id, writer=writer_id, seen=seen)
    story = written.row
    if story is None:
        raise explain.not_own_chapter(chapter_id, writer_id)
    chapter = gone.row
    if chapter is None:
        present, bases = _explained(story, chapter_id, seen, TEXTS)
        if is_unchanged(present, seen, TEXTS):
            raise Invalid.one("id", LAST_CHAPTER, Wrong.LAST_CHAPTER)
        raise _conflict(present, dict.fromkeys(TEXTS), seen, bases)
    _move_up(story=story.pk, gap=chapter.position)
    _keep_order(story, writer_id, order.ids, removed=chapter)
    bury_chapter(chapter_id, story)
    return story, chapter, [one for one in order.ids if one != chapter_id]


@compiled
def _change_list_with(*, chapter: uuid.UUID, writer: uuid.UUID) -> Declared[Story]:
    return replace(written_story_of(chapter, writer), **stamped(Story, ["chapters"]))


@compiled
def _delete(*, chapter: uuid.UUID, writer: uuid.UUID, seen: Expected) -> Declared[Chapter]:
    is_of_draft = Exists(Story.objects.filter(pk=OuterRef("story_id"), status=StoryStatus.DRAFT))
    has_others = Exists(Chapter.objects.filter(~Q(pk=chapter), story_id=OuterRef("story_id")))
    clean = unchanged(Chapter, seen, TEXTS)
    return delete(Chapter.objects.filter(Q(is_of_draft) | Q(has_others), is_written_by(writer), clean, pk=chapter))


@compiled
def _move_up(*, story: uuid.UUID, gap: int) -> Declared[Chapter]:
    return update_all(
        Chapter.objects.filter(story_id=story, position__gt=gap),
        position=F("position") - 1,
        **stamped(Chapter, ["position"]),
    )


def _keep_order(story: Story, writer_id: uuid.UUID, order: Sequence[uuid.UUID], removed: Chapter | None = None) -> None:
    """Keep the order that a write has changed, by the row that it returned."""
    since: int = story.before["chapters_changed"]  # type: ignore[attr-defined]
    revisions.keep_order(story, story.version, since, writer_id, order, removed)


def reorder_chapters(
    story_id: uuid.UUID,
    writer_id: uuid.UUID,
    order: Sequence[uuid.UUID],
    seen: Expected,
    moments: Moments = UNWANTED,
) -> tuple[Story, Applied]:
    """Put the chapters in this order, if the list of chapters is unchanged since `seen`; their texts may have changed.

    Raises `Conflict`, `NotFound`, `Forbidden`, and `Invalid` unless `order` names every chapter once.
    """
    story, present = locked_list(story_id, writer_id, order, seen, Right.MANAGE)
    if sorted(order) != sorted(present):
        raise Invalid.one("order", f"must name each of the story's {len(present)} chapters once.")
    if list(order) == present:
        moments.of(story_id)
        return story, Applied.NOOP
    return put_in_order(story, writer_id, present, order, moments), Applied.WRITTEN


def locked_list(
    story_id: uuid.UUID, writer_id: uuid.UUID, mine: Sequence[uuid.UUID], seen: Expected, right: Right
) -> tuple[Story, list[uuid.UUID]]:
    """Lock the story; returns it and the present order of its chapters, if the list is unchanged since `seen`.

    `mine` is the wanted order, for the conflict. Raises `Conflict`, `NotFound`, `Forbidden`.
    """
    locked, order = _lock_list(right, story=story_id, writer=writer_id, seen=seen), queries.order_of(story_id)
    story = locked.row
    if story is None:
        raise _order_conflict(story_id, writer_id, mine, seen, right)
    return story, order.ids


@compiled
def _lock_list(right: Right, *, story: uuid.UUID, writer: uuid.UUID, seen: Expected) -> Declared[Story]:
    return _locked(Story.objects.filter(unchanged(Story, seen, ["chapters"]), may(writer, right), pk=story))


def put_in_order(
    story: Story,
    writer_id: uuid.UUID,
    present: Sequence[uuid.UUID],
    order: Sequence[uuid.UUID],
    moments: Moments = UNWANTED,
) -> Story:
    """Give the chapters of a locked story their new positions, and keep the earlier order as a revision.

    Returns the story as it is then.
    """
    written = _change_list(story=story.pk, writer=writer_id)
    _put_in_order(story=story.pk, order=list(order))
    revisions.keep_order(story, story.version + 1, story.chapters_changed, writer_id, present)
    moments.of(story.pk)
    return written.rows[0]


@compiled
def _put_in_order(*, story: uuid.UUID, order: list[uuid.UUID]) -> Declared[Chapter]:
    place = Func(order, F("pk"), function="array_position", output_field=IntegerField())
    return update_all(
        Chapter.objects.filter(~Q(position=place), story_id=story), position=place, **stamped(Chapter, ["position"])
    )


def _order_conflict(
    story_id: uuid.UUID, writer_id: uuid.UUID, mine: Sequence[uuid.UUID], seen: Expected, right: Right
) -> Conflict:
    asked, bases = explain.present(story=story_id, viewer=writer_id), Bases(story_id, None, seen, [CHAPTERS])
    order = queries.order_of(story_id)
    story = explain.own_story(story_id, writer_id, asked, right)
    both = [FieldConflict(CHAPTERS, base=bases.values.get(CHAPTERS), mine=list(mine), theirs=order.ids)]
    overlaps = both if changed_since(story, seen, [CHAPTERS]) else []
    return conflict(story, seen=seen, thing=("story", story.pk), overlaps=overlaps)


# --- The text of a chapter --------------------------------------------------------------------------------------


def update_chapter(
    chapter_id: uuid.UUID,
    writer_id: uuid.UUID,
    patch: Patch,
    seen: Expected,
    *,
    merge: bool,
    moments: Moments = UNWANTED,
) -> Outcome:
    """Set the fields in `patch`, if they (with `merge`) or both title and text (without) are unchanged since `seen`.

    With `merge`, a text that somebody else has changed is merged by paragraphs, unless both changed the same paragraph; the
    answer is MERGED, also if the merged text is the stored one and nothing is written. The rows are `chapter` and `story`.
    Raises `Conflict` (with a suggested merge if both changed the text), `NotFound`, `Forbidden`, `Invalid`.
    """
    reads = None if merge else TEXTS
    return set_texts(chapter_id, writer_id, _checked_patch(patch), seen, reads=reads, moments=moments)


def set_texts(
    chapter_id: uuid.UUID,
    writer_id: uuid.UUID,
    values: Patch,
    seen: Expected,
    *,
    reads: tuple[str, ...] | None,
    moments: Moments = UNWANTED,
) -> Outcome:
    """The one conditioned write of a chapter's title and text. `reads` must be unchanged; None merges field by field."""
    sent = {name: values[name] for name in ("body",) if name in values}
    beside = [group for group in (every_group(Chapter) if reads is None else TEXTS) if group not in values]
    locked = _lock_story_of(chapter=chapter_id, writer=writer_id)
    written, touched = _write(chapter_id, writer_id, values, seen, reads, moments)
    story = locked.row
    if story is None:  # a chapter that was restored since is not written either: the refusal rolls that back
        raise explain.not_own_chapter(chapter_id, writer_id)
    chapter = written.row
    if chapter is None:
        present, bases = _explained(story, chapter_id, seen, values)
        present.story = story
        rows = {"chapter": present, "story": story}
        if is_so_already(present, values) and is_unchanged(present, seen, reads or ()):
            return already_so(rows, unseen=changed_since(present, seen, beside), sent=sent)
        if reads is None and (own := revisions.own_of(present, values, seen, bases)) != values:
            if own:
                return set_texts(chapter_id, writer_id, own, seen, reads=None, moments=moments)
            return already_so(rows, unseen=changed_since(present, seen, values), sent=sent)
        values = _with_text_merged(present, values, seen, bases, may_merge=reads is None)
        if is_so_already(present, values):  # others have written what was sent, and more
            return Outcome(Applied.MERGED, rows, sent=sent, is_own=False)
        written, touched = _write(chapter_id, writer_id, values, Expected(present.version), TEXTS, moments)
        chapter = written.row
        assert chapter is not None, "the lock on the story holds off every other write to its chapters"
    revisions.keep(chapter, writer_id, values)
    chapter.story = touched.rows[0]
    merged = others_wrote(chapter, seen) if reads is None else bool(changed_since(chapter, seen, beside))
    return Outcome(
        Applied.MERGED if merged else Applied.WRITTEN,
        {"chapter": chapter, "story": chapter.story},
        sent=sent,
        is_own=is_so_already(chapter, sent),
    )


@compiled
def _lock_story_of(*, chapter: uuid.UUID, writer: uuid.UUID) -> Declared[Story]:
    return _locked(written_story_of(chapter, writer))


def _write(
    chapter_id: uuid.UUID,
    writer_id: uuid.UUID,
    values: Patch,
    seen: Expected,
    reads: tuple[str, ...] | None,
    moments: Moments,
) -> tuple[Result[Chapter], Result[Story]]:
    """Let the chapter be written, and with it the story, which must be locked."""
    ids = {"chapter": chapter_id, "writer": writer_id}
    written = _write_texts(reads, **ids, values=Values(Chapter, values), seen=seen)
    touched = _touch_story(**ids)
    moments.beside(chapter_id)
    return written, touched


@compiled
def _write_texts(
    reads: tuple[str, ...] | None, *, chapter: uuid.UUID, writer: uuid.UUID, values: Values, seen: Expected
) -> Declared[Chapter]:
    clean = mergeable(Chapter, values, seen) if reads is None else unchanged(Chapter, seen, reads)
    return replace(
        Chapter.objects.filter(~Q(**values), clean, is_written_by(writer), pk=chapter),
        **values,
        story_version=Subquery(Story.objects.filter(pk=OuterRef("story_id")).values("version")) + 1,
        **stamped_if_new(Chapter, values),
    )


@compiled
def _touch_story(*, chapter: uuid.UUID, writer: uuid.UUID) -> Declared[Story]:
    # The story's next version stands in the chapter if, and only if, that was written just now.
    written = Chapter.objects.filter(pk=chapter).values("story_version")
    return update(written_story_of(chapter, writer).filter(version__lt=Subquery(written)), **stamped(Story, ["texts"]))


def _with_text_merged(
    present: Chapter, values: Patch, seen: Expected, bases: Bases, *, may_merge: bool
) -> dict[str, Any]:
    """The values with a merged text. Raises `Conflict` if paragraphs or other fields collide."""
    refusal = _conflict(present, values, seen, bases)
    mine = {overlap.path: overlap for overlap in refusal.overlaps if overlap.mine != overlap.theirs}
    text = mine.get("body")
    if text is None or text.base is None:
        raise refusal
    # Of long texts it takes up to half a second.
    parts = fibers.blocking(partial(merge.three_way, text.base, text.mine, text.theirs))
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
    check.some("patch", values)
    check.done()
    return values


# --- Helpers ----------------------------------------------------------------------------------------------------


def _locked(stories: "QuerySet[Story]") -> Declared[Story]:
    """Lock the story against other writes to it or its chapters; reads and foreign key checks are not blocked."""
    return select(stories.select_for_update(no_key=True))


def _explained(story: Story, chapter_id: uuid.UUID, seen: Expected, fields: Iterable[str]) -> tuple[Chapter, Bases]:
    """The present chapter, read after its story was locked, and what these fields were. Raises `NotFound` if it is gone."""
    asked, bases = _chapter(chapter=chapter_id), Bases(story.pk, chapter_id, seen, fields)
    if asked.row is None:
        raise explain.gone(chapter_id, story.author_id, explain.UNKNOWN_CHAPTER)
    return asked.row, bases


@compiled
def _chapter(*, chapter: uuid.UUID) -> Declared[Chapter]:
    return select(Chapter.objects.filter(pk=chapter))


def _conflict(chapter: Chapter, mine: Mapping[str, Any], seen: Expected, bases: Bases) -> Conflict:
    overlaps = revisions.overlaps(chapter, mine, seen, bases)
    return conflict(chapter, seen=seen, thing=("chapter", chapter.pk), overlaps=overlaps)
