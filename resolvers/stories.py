"""Stories: finding them, what belongs to them, creating and publishing them."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from backend.engine import tallies
from backend.engine.idempotency import Applied, Outcome, Request
from backend.engine.versions import Expected
from backend.pages import Page, Window
from backend.people import queries as people
from backend.people.models import Person
from backend.reading import queries as reading
from backend.reading.models import Reading
from backend.stories import actions, queries
from backend.stories.actions import NewStory
from backend.stories.models import Chapter, Shelf, Story, StoryTally
from resolvers.access import signed_in, the_id
from resolvers.batches import Batch, gather, loaded
from resolvers.work import performed


def by_ids(ids: Iterable[uuid.UUID], *, viewer: Person | None) -> dict[uuid.UUID, Story]:
    """Those of these stories that the viewer can find."""
    found = queries.by_ids(ids, viewer=the_id(viewer))
    gather(found.values(), viewer)
    return found


def chapters_by_ids(ids: Iterable[uuid.UUID], *, viewer: Person | None) -> dict[uuid.UUID, Chapter]:
    """Those of these chapters whose story the viewer can find."""
    found = queries.chapters_by_ids(ids, viewer=the_id(viewer))
    gather(found.values(), viewer)
    return found


def shelves_by_ids(ids: Iterable[uuid.UUID], *, viewer: Person | None) -> dict[uuid.UUID, Shelf]:
    """The viewer's own shelf, if it is among these."""
    mine = [shelf for shelf in ids if shelf == the_id(viewer)]
    found = queries.shelves(mine) if mine else {}
    gather(found.values(), viewer)
    return found


def published(window: Window, *, viewer: Person | None) -> Page[Story]:
    """Published stories, newest first."""
    return _gathered(queries.published(window, viewer=the_id(viewer)), viewer)


def feed(window: Window, *, viewer: Person | None) -> Page[Story]:
    """Published stories of the people whom the viewer follows, newest first."""
    me = signed_in(viewer)
    return _gathered(queries.feed(window, viewer=me.pk), me)


def _gathered(page: Page[Story], viewer: Person | None) -> Page[Story]:
    gather(page.rows, viewer)
    return page


def create_story(me: Person, *, new: NewStory, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """A draft with its chapters, conditioned on the viewer's shelf."""

    def work() -> Outcome:
        story, shelf = actions.create_story(me.pk, new, expect)
        return Outcome(Applied.WRITTEN, {"story": story, "shelf": shelf})

    return performed(Request("createStory", me.pk, key, asdict(new)), work, me)


def publish_story(me: Person, *, story: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Let everybody see one's own story, if nothing in it has changed."""

    def work() -> Outcome:
        row, applied = actions.publish_story(story, me.pk, expect)
        return Outcome(applied, {"story": row, "shelf": queries.shelves([me.pk])[me.pk]})

    return performed(Request("publishStory", me.pk, key, {"id": str(story)}), work, me)


# --- What belongs to a story, for a whole batch at once ----------------------------------------------------------


def author(story: Story) -> Person:
    """Who writes it."""

    def load(batch: Batch) -> Mapping[uuid.UUID, Person]:
        authors = people.all_of({row.author_id for row in batch.rows.values()})
        gather(authors.values(), batch.viewer)
        return {row.pk: authors[row.author_id] for row in batch.rows.values()}

    return loaded(story, "author", load)


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
    """The viewer's own place in it; None when signed out."""
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
