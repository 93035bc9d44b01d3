"""Reading: recording a view, and the viewer's positions."""

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime

from backend.engine.conditions import Target, conditioned
from backend.engine.errors import Conflict, Invalid, NotFound
from backend.engine.idempotency import Outcome, Request
from backend.engine.transactions import unit_of_work
from backend.engine.versions import Expected
from backend.pages import Page, Window
from backend.people.models import Person
from backend.reading import actions, queries
from backend.reading.models import Reading
from backend.reading.places import ReadingPlace
from backend.stories.explain import UNKNOWN_STORY
from backend.stories.models import Chapter, Story
from resolvers import stories
from resolvers.batches import Batch, gather, is_viewer, loaded
from resolvers.work import performed


def record_view(
    me: Person,
    *,
    story: uuid.UUID,
    place: ReadingPlace | None,
    expect: Expected,
    furthest: bool = False,
    story_version: int | None = None,
    key: uuid.UUID | None,
) -> Outcome:
    """Store the viewer's position in a story, and count the view.

    They are two facts: that the story was opened stays true when the position is refused, because another device moved it or
    its chapter is gone. So such a refusal, which has rolled back everything, is answered after the view has been counted by a
    unit of work of its own.
    """

    def write(last: Expected) -> Outcome:
        reading, counted, applied = actions.record_view(
            me.pk, story, place, last, furthest=furthest, seen=story_version
        )
        return Outcome(applied, {"reading": reading}, {"counted": counted})

    where = None if place is None else [str(place.chapter_id), place.offset]
    arguments = {"story": str(story), "place": where, "furthest": furthest, "seen": story_version}
    target = Target("reading", {"story_id": story, "reader_id": me.pk})
    last = Expected(None) if furthest else expect
    request = Request("recordView", me.pk, key, arguments)
    try:
        return performed(request, conditioned(me.pk, last, target, write), me)
    except (Conflict, Invalid):
        unit_of_work(lambda: actions.count_view(me.pk, story))
        raise


def by_stories(ids: Iterable[uuid.UUID], *, viewer: Person | None) -> dict[uuid.UUID, Reading]:
    """The viewer's position in each of these stories that they can find."""
    if viewer is None:
        return {}
    found = stories.by_ids(ids, viewer=viewer)
    return {story_id: place for story_id, story in found.items() if (place := stories.place(story)) is not None}


def of_person(person: Person, window: Window) -> Page[Reading] | None:
    """The person's positions in stories, most recently moved first; private."""
    if not is_viewer(person):
        return None
    page = queries.of_reader(person.pk, window)
    gather(page.rows, person.batch.viewer)  # type: ignore[attr-defined]
    return page


# --- What belongs to a reading, for a whole batch at once --------------------------------------------------------


def story(reading: Reading) -> Story:
    """The story that is read."""
    if "story" in reading._state.fields_cache:
        return reading.story

    def load(batch: Batch) -> Mapping[uuid.UUID, Story | None]:
        found = stories.by_ids({row.story_id for row in batch.rows.values()}, viewer=batch.viewer)
        return {row.pk: found.get(row.story_id) for row in batch.rows.values()}

    found: Story | None = loaded(reading, "story", load)
    if found is None:  # hidden since the view was recorded
        raise NotFound(UNKNOWN_STORY)
    return found


def chapter(reading: Reading) -> Chapter | None:
    """The chapter of the position; None before the first."""
    if reading.chapter_id is None:
        return None

    def load(batch: Batch) -> Mapping[uuid.UUID, Chapter | None]:
        wanted = {row.chapter_id for row in batch.rows.values() if row.chapter_id}
        found = stories.chapters_by_ids(wanted, viewer=batch.viewer)
        return {row.pk: found.get(row.chapter_id) for row in batch.rows.values()}

    return loaded(reading, "chapter", load)


def offset(reading: Reading) -> int:
    """Characters into the chapter's body; its end, if it was shortened since."""
    if reading.chapter_length is None:
        found = chapter(reading)
        if found is None:
            return reading.offset
        reading.chapter_length = len(found.body)
    return reading.offset_within(reading.chapter_length)


def changed_chapters(reading: Reading) -> list[Chapter]:
    """The chapters that changed since the reader last opened the story, in order."""

    def load(batch: Batch) -> Mapping[uuid.UUID, list[Chapter]]:
        found = queries.changed_chapters(batch.rows.values(), viewer=batch.viewer_id)
        gather((chapter for of_reading in found.values() for chapter in of_reading), batch.viewer)
        return found

    return loaded(reading, "changed chapters", load)


def updated_at(reading: Reading) -> datetime:
    """When the position last changed; for a story never opened, when it became readable."""
    of = None if reading.version else story(reading)
    return reading.updated_at if of is None else of.published_at or of.created_at
