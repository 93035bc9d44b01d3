"""Reading: recording a view, and the viewer's places."""

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime

from backend.engine.errors import NotFound
from backend.engine.idempotency import Outcome, Request
from backend.engine.versions import Expected
from backend.people.models import Person
from backend.reading import actions
from backend.reading.actions import Place
from backend.reading.models import Reading
from backend.stories.actions import UNKNOWN_STORY
from backend.stories.models import Chapter, Story
from resolvers import stories
from resolvers.batches import Batch, loaded
from resolvers.work import performed


def record_view(
    me: Person, *, story: uuid.UUID, place: Place | None, expect: Expected, key: uuid.UUID | None
) -> Outcome:
    """Remember the viewer's place in a story, and count the view."""

    def work() -> Outcome:
        reading, counted, applied = actions.record_view(me.pk, story, place, expect)
        return Outcome(applied, {"reading": reading}, {"counted": counted})

    where = None if place is None else [str(place.chapter_id), place.offset]
    return performed(Request("recordView", me.pk, key, {"story": str(story), "place": where}), work, me)


def by_stories(ids: Iterable[uuid.UUID], *, viewer: Person | None) -> dict[uuid.UUID, Reading]:
    """The viewer's place in each of these stories that the viewer can find."""
    if viewer is None:
        return {}
    found = stories.by_ids(ids, viewer=viewer)
    return {story_id: place for story_id, story in found.items() if (place := stories.place(story)) is not None}


def story(reading: Reading) -> Story:
    """The story that is read."""
    if "story" not in reading._state.fields_cache:
        found = stories.by_ids([reading.story_id], viewer=reading.batch.viewer)  # type: ignore[attr-defined]
        if reading.story_id not in found:  # hidden since the reader was there: a replayed reply may be old
            raise NotFound(UNKNOWN_STORY)
        reading.story = found[reading.story_id]
    return reading.story


def chapter(reading: Reading) -> Chapter | None:
    """The chapter that the reader has reached; None before the first."""
    if reading.chapter_id is None:
        return None

    def load(batch: Batch) -> Mapping[uuid.UUID, Chapter | None]:
        wanted = {row.chapter_id for row in batch.rows.values() if row.chapter_id}
        found = stories.chapters_by_ids(wanted, viewer=batch.viewer)
        return {row.pk: found.get(row.chapter_id) for row in batch.rows.values()}

    return loaded(reading, "chapter", load)


def updated_at(reading: Reading) -> datetime:
    """When the place last changed; for a reader who has never opened the story, since when it could be read."""
    of = None if reading.version else story(reading)
    return reading.updated_at if of is None else of.published_at or of.created_at
