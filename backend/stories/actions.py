"""Writes to stories: creating one with its chapters, editing and publishing it. Deleting is in `erasure.stories`."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from django.db.models import F, Q

from backend.engine import tallies
from backend.engine.declarations import insert, insert_all, replace, update
from backend.engine.errors import Wrong
from backend.engine.idempotency import Applied, Outcome, already_so
from backend.engine.ids import uuid7
from backend.engine.statements import Declared, Json, Values, compiled
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
from backend.jobs.queue import defer
from backend.people.models import PersonTally
from backend.stories import explain, queries, rank, revisions
from backend.stories.errors import marked_mature, taken_down
from backend.stories.models import (
    BODY_CHARACTERS,
    MAX_CHAPTERS,
    SUMMARY_CHARACTERS,
    TITLE_CHARACTERS,
    Chapter,
    Shelf,
    Story,
    StoryStatus,
)
from backend.stories.point_in_time import UNWANTED, Moments
from backend.stories.publication import draft_again, published
from backend.stories.revisions import Bases
from backend.stories.rights import Right, may


def make_shelf(author_id: uuid.UUID) -> None:
    """Create the empty shelf of a new person."""
    _make_shelf(author=author_id)


@compiled
def _make_shelf(*, author: uuid.UUID) -> Declared[Shelf]:
    return insert(Shelf, author=author)


@dataclass(frozen=True)
class NewChapter:
    """A chapter that does not exist yet."""

    title: str
    body: str


@dataclass(frozen=True)
class NewStory:
    """A story that does not exist yet, with its chapters in order."""

    title: str
    summary: str
    mature: bool
    chapters: Sequence[NewChapter]
    warnings: Sequence[str] = ()


def create_story(author_id: uuid.UUID, new: NewStory, seen: Expected) -> tuple[Story, Shelf]:
    """Create a draft with all its chapters, if the author's shelf has not changed since `seen`. The story has `new_chapters`.

    Raises `Conflict` (with the present shelf), `Invalid`.
    """
    new, id_ = _checked(new), uuid7()
    # All of it is sent at once. If the shelf has changed, the refusal rolls back the story too.
    shelf = _count_one_more(author=author_id, seen=seen)
    story = _create(
        id=id_,
        author=author_id,
        title=new.title,
        summary=new.summary,
        mature=new.mature,
        warnings=list(new.warnings),
    )
    chapters = [_new_row(id_, *one) for one in enumerate(new.chapters, start=1)]
    created = _create_chapters(chapters=chapters) if chapters else None
    if shelf.row is None:
        raise conflict(queries.shelf_of(author=author_id).rows[0], seen=seen, thing=("shelf", author_id), by=author_id)
    made = story.rows[0]
    made.new_chapters = [] if created is None else sorted(created.rows, key=attrgetter("position"))
    return made, shelf.row


@compiled
def _count_one_more(*, author: uuid.UUID, seen: Expected) -> Declared[Shelf]:
    return update(
        Shelf.objects.filter(unchanged(Shelf, seen, ["stories"]), pk=author),
        story_count=F("story_count") + 1,
        **stamped(Shelf, ["stories"]),
    )


@compiled
def _create(
    *, id: uuid.UUID, author: uuid.UUID, title: str, summary: str, mature: bool, warnings: list[str]
) -> Declared[Story]:
    return insert(Story, id=id, author=author, title=title, summary=summary, mature=mature, warnings=warnings)


FIRST_VERSIONS = {"version": 1, "position_changed": 1, "title_changed": 1, "body_changed": 1}


def _new_row(story_id: uuid.UUID, position: int, new: NewChapter) -> Mapping[str, Any]:
    ids = {"id": str(uuid7()), "story_id": str(story_id)}
    return {**ids, "position": position, "title": new.title, "body": new.body, **FIRST_VERSIONS}


@compiled
def _create_chapters(*, chapters: Json) -> Declared[Chapter]:
    return insert_all(Chapter, ["id", "story", "position", "title", "body", *FIRST_VERSIONS], chapters)


def _checked(new: NewStory) -> NewStory:
    check = Checker()
    title = check.line("input.title", new.title, most=TITLE_CHARACTERS)
    summary = check.text("input.summary", new.summary, most=SUMMARY_CHARACTERS, blank=True)
    if len(new.chapters) > MAX_CHAPTERS:
        check.wrong(
            "input.chapters",
            f"are too many: {len(new.chapters)}, at most {MAX_CHAPTERS}.",
            Wrong.TOO_MANY,
            MAX_CHAPTERS,
        )
    chapters = [
        NewChapter(
            title=check.line(f"input.chapters.{index}.title", chapter.title, most=TITLE_CHARACTERS),
            body=check.text(f"input.chapters.{index}.body", chapter.body, most=BODY_CHARACTERS),
        )
        for index, chapter in enumerate(new.chapters[:MAX_CHAPTERS])
    ]
    check.done()
    return NewStory(title, summary, new.mature, chapters, sorted(set(new.warnings)))


EDITABLE = ("title", "summary", "mature", "warnings")
"""The fields that updateStory can set; each is a field group of the same name."""

Patch = Mapping[str, Any]
"""New values by field."""


def update_story(
    story_id: uuid.UUID,
    writer_id: uuid.UUID,
    patch: Patch,
    seen: Expected,
    *,
    merge: bool,
    moments: Moments = UNWANTED,
) -> Outcome:
    """Set the fields in `patch`, if they (with `merge`) or all editable fields (without) are unchanged since `seen`.

    The row is `story`. Raises `Conflict`, `NotFound`, `Forbidden`, `Invalid`, and `Held` if it would unmark what the moderators
    have marked mature.
    """
    reads = None if merge else EDITABLE
    return set_fields(story_id, writer_id, _checked_patch(patch), seen, reads=reads, moments=moments)


def set_fields(
    story_id: uuid.UUID,
    writer_id: uuid.UUID,
    values: Patch,
    seen: Expected,
    *,
    reads: tuple[str, ...] | None,
    moments: Moments = UNWANTED,
) -> Outcome:
    """The one conditioned write of a story's own fields. `reads` must be unchanged; None merges field by field."""
    beside = [group for group in (every_group(Story) if reads is None else EDITABLE) if group not in values]
    written = _set_fields(reads, story=story_id, writer=writer_id, values=Values(Story, values), seen=seen)
    moments.of(story_id)
    story = written.row
    if story is not None:
        revisions.keep(story, writer_id, values)
        merged = others_wrote(story, seen) if reads is None else bool(changed_since(story, seen, beside))
        return Outcome(Applied.MERGED if merged else Applied.WRITTEN, {"story": story})
    asked, bases = explain.present(story=story_id, viewer=writer_id), Bases(story_id, None, seen, values)
    moments.of(story_id)
    story = explain.own_story(story_id, writer_id, asked)
    if is_so_already(story, values) and is_unchanged(story, seen, reads or ()):
        return already_so({"story": story}, unseen=changed_since(story, seen, beside))
    if reads is None and (own := revisions.own_of(story, values, seen, bases)) != values:
        if own:
            return set_fields(story_id, writer_id, own, seen, reads=None, moments=moments)
        return already_so({"story": story}, unseen=changed_since(story, seen, values))
    if story.mature_held and values.get("mature") is False:
        raise marked_mature(story_id)
    raise explain.story_conflict(story, dict(values), seen, bases)


@compiled
def _set_fields(
    reads: tuple[str, ...] | None, *, story: uuid.UUID, writer: uuid.UUID, values: Values, seen: Expected
) -> Declared[Story]:
    clean = mergeable(Story, values, seen) if reads is None else unchanged(Story, seen, reads)
    kept = Q(mature_held=False) | Q(mature=values["mature"]) if "mature" in values else Q()  # what is held is true
    return replace(
        Story.objects.filter(~Q(**values), clean, kept, may(writer, Right.WRITE), pk=story),
        **values,
        **stamped_if_new(Story, values),
    )


def _checked_patch(patch: Patch) -> dict[str, Any]:
    check = Checker()
    values: dict[str, Any] = dict(patch)
    if "title" in patch:
        values["title"] = check.line("patch.title", patch["title"], most=TITLE_CHARACTERS)
    if "summary" in patch:
        values["summary"] = check.text("patch.summary", patch["summary"], most=SUMMARY_CHARACTERS, blank=True)
    for field in ("mature", "warnings"):
        if field in patch:
            check.not_null(f"patch.{field}", patch[field])
    check.some("patch", values)
    check.done()
    if "warnings" in values:
        values["warnings"] = sorted(set(values["warnings"]))
    return values


def publish_story(
    story_id: uuid.UUID, writer_id: uuid.UUID, seen: Expected, moments: Moments = UNWANTED
) -> tuple[Story, Applied]:
    """Publish the story, if neither it nor any chapter has changed since `seen`. One that was published before keeps its place.

    So what is published is what the author saw. A job notifies the followers. Raises `Conflict`, `NotFound`, `Forbidden`, and
    `Held` if the moderators have taken it down.
    """
    written = _publish(story=story_id, writer=writer_id, seen=seen)
    moments.of(story_id)
    story = written.row
    if story is not None:
        revisions.keep(story, writer_id, ["status"])
        tallies.add(PersonTally, [(story.author_id, "stories", 1)])
        rank.publish(story_id)
        defer("announce", f"announce:{story_id}:{story.version}", story=str(story_id), version=story.version)
        return story, Applied.WRITTEN
    asked, everything = explain.present(story=story_id, viewer=writer_id), explain.Everything(story_id, seen)
    moments.of(story_id)
    story = explain.own_story(story_id, writer_id, asked, Right.MANAGE)
    if story.held:
        raise taken_down(story_id)
    if story.status != StoryStatus.PUBLISHED or not is_unchanged(story, seen, every_group(Story)):
        raise explain.changed(story, seen, everything, status=StoryStatus.PUBLISHED)
    return story, Applied.NOOP


@compiled
def _publish(*, story: uuid.UUID, writer: uuid.UUID, seen: Expected) -> Declared[Story]:
    draft = Q(status=StoryStatus.DRAFT, held=False)
    return replace(
        Story.objects.filter(unchanged(Story, seen, every_group(Story)), draft, may(writer, Right.MANAGE), pk=story),
        **published(),
        **stamped(Story, ["status"]),
    )


def unpublish_story(
    story_id: uuid.UUID, writer_id: uuid.UUID, seen: Expected, moments: Moments = UNWANTED
) -> tuple[Story, Applied]:
    """Make the story a draft again, if its status has not changed since `seen`. Its views stay.

    Raises `Conflict`, `NotFound`, `Forbidden`.
    """
    written = _unpublish(story=story_id, writer=writer_id, seen=seen)
    moments.of(story_id)
    story = written.row
    if story is not None:
        revisions.keep(story, writer_id, ["status"])
        tallies.add(PersonTally, [(story.author_id, "stories", -1)])
        return story, Applied.WRITTEN
    asked, bases = explain.present(story=story_id, viewer=writer_id), Bases(story_id, None, seen, ["status"])
    moments.of(story_id)
    story = explain.own_story(story_id, writer_id, asked, Right.MANAGE)
    if story.status != StoryStatus.DRAFT or not is_unchanged(story, seen, ["status"]):
        raise explain.story_conflict(story, {"status": StoryStatus.DRAFT.value}, seen, bases)
    return story, Applied.NOOP


@compiled
def _unpublish(*, story: uuid.UUID, writer: uuid.UUID, seen: Expected) -> Declared[Story]:
    return replace(
        Story.objects.filter(
            unchanged(Story, seen, ["status"]), may(writer, Right.MANAGE), pk=story, status=StoryStatus.PUBLISHED
        ),
        **draft_again(),
        **stamped(Story, ["status"]),
    )
