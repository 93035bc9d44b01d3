"""Stories: lookups, their fields, creating, editing, publishing and deleting them."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from backend.engine import tallies
from backend.engine.conditions import Target, conditioned, made
from backend.engine.idempotency import Applied, Outcome, Request
from backend.engine.versions import Expected
from backend.erasure import stories as erasure
from backend.pages import Page, Window
from backend.people.models import Person
from backend.reading import queries as reading
from backend.reading.models import Reading
from backend.stories import actions, queries, revisions
from backend.stories import chapters as chapter_actions
from backend.stories.actions import NewStory
from backend.stories.models import Chapter, Revision, Shelf, Story, StoryTally
from resolvers import people
from resolvers.access import the_id
from resolvers.authoring import performed_on_story, with_shelf
from resolvers.batches import Batch, gather, gather_pages, loaded
from resolvers.work import performed


def by_ids(ids: Iterable[uuid.UUID], *, viewer: Person | None) -> dict[uuid.UUID, Story]:
    """The stories among these ids that the viewer can find."""
    found = queries.by_ids(ids, viewer=the_id(viewer))
    gather(found.values(), viewer)
    return found


def chapters_by_ids(ids: Iterable[uuid.UUID], *, viewer: Person | None) -> dict[uuid.UUID, Chapter]:
    """The chapters among these ids whose story the viewer can find."""
    found = queries.chapters_by_ids(ids, viewer=the_id(viewer))
    gather(found.values(), viewer)
    return found


def shelves_by_ids(ids: Iterable[uuid.UUID], *, viewer: Person | None) -> dict[uuid.UUID, Shelf]:
    """The viewer's own shelf, if it is among these."""
    mine = [shelf for shelf in ids if shelf == the_id(viewer)]
    found = queries.shelves(mine) if mine else {}
    gather(found.values(), viewer)
    return found


def create_story(me: Person, *, new: NewStory, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Create a draft with its chapters, conditioned on the viewer's shelf."""

    def write(seen: Expected) -> Outcome:
        story, shelf = actions.create_story(me.pk, new, seen)
        return made(Outcome(Applied.WRITTEN, {"story": story, "shelf": shelf}), "story")

    target = Target("shelf", {"pk": me.pk})
    return performed_on_story(
        Request("createStory", me.pk, key, asdict(new)), conditioned(me.pk, expect, target, write), me
    )


def update_story(
    me: Person,
    *,
    story: uuid.UUID,
    patch: Mapping[str, Any],
    expect: Expected,
    merge: bool,
    key: uuid.UUID | None,
) -> Outcome:
    """Change the title, summary, mature flag or warnings of one's own story."""

    def write(seen: Expected) -> Outcome:
        return with_shelf(actions.update_story(story, me.pk, patch, seen, merge=merge), me)

    arguments = {"id": str(story), "patch": dict(patch), "merge": merge}
    return performed_on_story(
        Request("updateStory", me.pk, key, arguments), conditioned(me.pk, expect, _target(story), write), me
    )


def publish_story(me: Person, *, story: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Publish one's own story, if nothing in it has changed."""

    def write(seen: Expected) -> Outcome:
        return _written(me, *actions.publish_story(story, me.pk, seen))

    return performed_on_story(
        Request("publishStory", me.pk, key, {"id": str(story)}), conditioned(me.pk, expect, _target(story), write), me
    )


def unpublish_story(me: Person, *, story: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Make one's own story a draft again."""

    def write(seen: Expected) -> Outcome:
        return _written(me, *actions.unpublish_story(story, me.pk, seen))

    return performed_on_story(
        Request("unpublishStory", me.pk, key, {"id": str(story)}), conditioned(me.pk, expect, _target(story), write), me
    )


def reorder_chapters(
    me: Person, *, story: uuid.UUID, order: Sequence[uuid.UUID], expect: Expected, key: uuid.UUID | None
) -> Outcome:
    """Reorder the chapters of one's own story."""

    def write(seen: Expected) -> Outcome:
        return _written(me, *chapter_actions.reorder_chapters(story, me.pk, order, seen))

    arguments = {"story": str(story), "order": list(map(str, order))}
    return performed_on_story(
        Request("reorderChapters", me.pk, key, arguments), conditioned(me.pk, expect, _target(story), write), me
    )


def delete_story(me: Person, *, story: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Delete one's own story and all that belongs to it, if nothing in it has changed."""

    def write(seen: Expected) -> Outcome:
        shelf = erasure.delete_story(story, me.pk, seen)
        return Outcome(Applied.WRITTEN, {"shelf": shelf})

    return performed(
        Request("deleteStory", me.pk, key, {"id": str(story)}), conditioned(me.pk, expect, _target(story), write), me
    )


def _target(story: uuid.UUID) -> Target:
    return Target("story", {"pk": story})


def _written(me: Person, story: Story, applied: Applied) -> Outcome:
    return with_shelf(Outcome(applied, {"story": story}), me)


# --- What belongs to a story, for a whole batch at once ----------------------------------------------------------


def author(story: Story) -> Person:
    """Who writes it."""
    return people.named(story, "author_id")


def chapters(story: Story) -> list[Chapter]:
    """Its chapters, in order."""

    def load(batch: Batch) -> Mapping[uuid.UUID, list[Chapter]]:
        found = queries.chapters(batch.rows)
        gather((chapter for of_story in found.values() for chapter in of_story), batch.viewer)
        for story_id, of_story in found.items():
            for chapter in of_story:
                chapter.story = batch.rows[story_id]
        return found

    return loaded(story, "chapters", load)


def chapter_count(story: Story) -> int:
    """How many chapters it has."""
    return loaded(story, "chapter_count", lambda batch: queries.chapter_counts(batch.rows))


def view_count(story: Story) -> int:
    """How many views it has had."""
    return loaded(story, "views", lambda batch: tallies.totals(StoryTally, "views", batch.rows))


def place(story: Story) -> Reading | None:
    """The viewer's position in it; None when signed out."""
    viewer = story.batch.viewer  # type: ignore[attr-defined]
    if viewer is None:
        return None

    def load(batch: Batch) -> Mapping[uuid.UUID, Reading]:
        found = reading.readings(batch.rows, reader=viewer.pk)
        gather(found.values(), viewer)
        for story_id, row in found.items():
            row.story = batch.rows[story_id]
        return found

    return loaded(story, "reading", load)


def story_of(chapter: Chapter) -> Story:
    """The story that a chapter belongs to."""
    if "story" in chapter._state.fields_cache:
        return chapter.story

    def load(batch: Batch) -> Mapping[uuid.UUID, Story]:
        found = by_ids({row.story_id for row in batch.rows.values()}, viewer=batch.viewer)
        return {row.pk: found[row.story_id] for row in batch.rows.values()}

    return loaded(chapter, "story", load)


def history(story: Story, window: Window) -> Page[Revision] | None:
    """What writes to it replaced, newest first; None for anybody but its author."""
    if story.author_id != story.batch.viewer_id:  # type: ignore[attr-defined]
        return None

    def load(batch: Batch) -> Mapping[uuid.UUID, Page[Revision]]:
        return gather_pages(revisions.of_stories(list(batch.rows.values()), window), batch.viewer)

    return loaded(story, ("revisions", window), load)


def history_of_chapter(chapter: Chapter, window: Window) -> Page[Revision] | None:
    """What writes to it replaced, newest first; None for anybody but its story's author."""
    if story_of(chapter).author_id != chapter.batch.viewer_id:  # type: ignore[attr-defined]
        return None

    def load(batch: Batch) -> Mapping[uuid.UUID, Page[Revision]]:
        return gather_pages(revisions.of_chapters(list(batch.rows.values()), window), batch.viewer)

    return loaded(chapter, ("revisions", window), load)
