"""Writes to stories: creating one with its chapters, editing and publishing it. Deleting is in `erasure.stories`."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q
from django.db.models.functions import Now

from backend.engine import tallies
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
    replace,
    stamped,
    unchanged,
    write,
)
from backend.jobs.queue import defer
from backend.people.models import PersonTally
from backend.stories import explain, rank, revisions
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


def make_shelf(author_id: uuid.UUID) -> None:
    """Create the empty shelf of a new person."""
    Shelf.objects.bulk_create([Shelf(author_id=author_id)])


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
    """Create a draft with all its chapters, if the author's shelf has not changed since `seen`.

    Raises `Conflict` (with the present shelf), `Invalid`.
    """
    new = _checked(new)
    shelves = write(
        Shelf.objects.filter(unchanged(Shelf, seen, ["stories"]), pk=author_id),
        story_count=F("story_count") + 1,
        **stamped(Shelf, ["stories"]),
    )
    if not shelves:
        raise conflict(Shelf.objects.get(pk=author_id), seen=seen, thing=("shelf", author_id), by=author_id)
    story = Story(author_id=author_id, title=new.title, summary=new.summary, mature=new.mature, warnings=new.warnings)
    Story.objects.bulk_create([story])
    Chapter.objects.bulk_create(
        Chapter(story=story, position=position, title=chapter.title, body=chapter.body)
        for position, chapter in enumerate(new.chapters, start=1)
    )
    return story, shelves[0]


def _checked(new: NewStory) -> NewStory:
    check = Checker()
    title = check.line("input.title", new.title, most=TITLE_CHARACTERS)
    summary = check.text("input.summary", new.summary, most=SUMMARY_CHARACTERS, blank=True)
    if len(new.chapters) > MAX_CHAPTERS:
        check.wrong("input.chapters", f"are too many: {len(new.chapters)}, at most {MAX_CHAPTERS}.")
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


def update_story(story_id: uuid.UUID, author_id: uuid.UUID, patch: Patch, seen: Expected, *, merge: bool) -> Outcome:
    """Set the fields in `patch`, if they (with `merge`) or all editable fields (without) are unchanged since `seen`.

    The row is `story`. Raises `Conflict`, `NotFound`, `Forbidden`, `Invalid`.
    """
    return set_fields(story_id, author_id, _checked_patch(patch), seen, reads=None if merge else EDITABLE)


def set_fields(
    story_id: uuid.UUID, author_id: uuid.UUID, values: Patch, seen: Expected, *, reads: Sequence[str] | None
) -> Outcome:
    """The one conditioned write of a story's own fields. `reads` must be unchanged; None merges field by field."""
    beside = [group for group in (every_group(Story) if reads is None else EDITABLE) if group not in values]
    clean = mergeable(Story, values, seen) if reads is None else unchanged(Story, seen, reads)
    rows = replace(
        Story.objects.filter(~Q(**values), clean, pk=story_id, author_id=author_id),
        **values,
        **stamped(Story, values),
    )
    if rows:
        revisions.keep(rows[0], author_id, values)
        merged = others_wrote(rows[0], seen) if reads is None else bool(changed_since(rows[0], seen, beside))
        return Outcome(Applied.MERGED if merged else Applied.WRITTEN, {"story": rows[0]})
    story = explain.own_story(story_id, author_id)
    if is_so_already(story, values) and is_unchanged(story, seen, reads or ()):
        return already_so({"story": story}, unseen=changed_since(story, seen, beside))
    raise explain.story_conflict(story, dict(values), seen)


def _checked_patch(patch: Patch) -> dict[str, Any]:
    check = Checker()
    values: dict[str, Any] = dict(patch)
    if "title" in patch:
        values["title"] = check.line("patch.title", patch["title"], most=TITLE_CHARACTERS)
    if "summary" in patch:
        values["summary"] = check.text("patch.summary", patch["summary"], most=SUMMARY_CHARACTERS, blank=True)
    for field in ("mature", "warnings"):
        if field in patch and patch[field] is None:
            check.wrong(f"patch.{field}", "must not be null.")
    if not values:
        check.wrong("patch", "must name at least one field.")
    check.done()
    if "warnings" in values:
        values["warnings"] = sorted(set(values["warnings"]))
    return values


def publish_story(story_id: uuid.UUID, author_id: uuid.UUID, seen: Expected) -> tuple[Story, Applied]:
    """Publish the story, if neither it nor any chapter has changed since `seen`.

    So what is published is what the author saw. A job notifies the followers. Raises `Conflict`, `NotFound`, `Forbidden`.
    """
    rows = replace(
        Story.objects.filter(
            unchanged(Story, seen, every_group(Story)),
            pk=story_id,
            author_id=author_id,
            status=StoryStatus.DRAFT,
        ),
        status=StoryStatus.PUBLISHED,
        published_at=Now(),
        **stamped(Story, ["status"]),
    )
    if rows:
        revisions.keep(rows[0], author_id, ["status"])
        tallies.add(PersonTally, [(author_id, "stories", 1)])
        rank.publish(story_id)
        version = rows[0].version
        defer("announce", f"announce:{story_id}:{version}", story=str(story_id), version=version)
        return rows[0], Applied.WRITTEN
    story = explain.own_story(story_id, author_id)
    if story.status != StoryStatus.PUBLISHED or not is_unchanged(story, seen, every_group(Story)):
        raise explain.changed(story, seen, status=StoryStatus.PUBLISHED)
    return story, Applied.NOOP


def unpublish_story(story_id: uuid.UUID, author_id: uuid.UUID, seen: Expected) -> tuple[Story, Applied]:
    """Make the story a draft again, if its status has not changed since `seen`. Its views stay.

    Raises `Conflict`, `NotFound`, `Forbidden`.
    """
    rows = replace(
        Story.objects.filter(
            unchanged(Story, seen, ["status"]), pk=story_id, author_id=author_id, status=StoryStatus.PUBLISHED
        ),
        status=StoryStatus.DRAFT,
        published_at=None,
        **stamped(Story, ["status"]),
    )
    if rows:
        revisions.keep(rows[0], author_id, ["status"])
        tallies.add(PersonTally, [(author_id, "stories", -1)])
        return rows[0], Applied.WRITTEN
    story = explain.own_story(story_id, author_id)
    if story.status != StoryStatus.DRAFT or not is_unchanged(story, seen, ["status"]):
        raise explain.story_conflict(story, {"status": StoryStatus.DRAFT.value}, seen)
    return story, Applied.NOOP
