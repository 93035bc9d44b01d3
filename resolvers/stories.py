"""Stories: lookups, their fields, creating, editing, publishing and deleting them."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from backend.engine.idempotency import Applied, Outcome
from backend.engine.mutations import Mutation, Target
from backend.engine.versions import Expected
from backend.erasure import stories as erasure
from backend.people.models import Person
from backend.stories import actions
from backend.stories import chapters as chapter_actions
from backend.stories.actions import NewStory
from backend.stories.models import Story
from backend.stories.point_in_time import Moments
from resolvers.authoring import performed_on_story, with_shelf
from resolvers.work import performed


def create_story(me: Person, *, new: NewStory, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Create a draft with its chapters, conditioned on the viewer's shelf."""

    def write(seen: Expected) -> Outcome:
        story, shelf = actions.create_story(me.id, new, seen)
        return Outcome(Applied.WRITTEN, {"story": story, "shelf": shelf})

    target = Target("shelf", {"pk": me.id})
    mutation = Mutation("createStory", me.id, key, vars(new), write, target, expect, makes="story")
    return performed_on_story(mutation, me)


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
    moments = Moments(wanted=key is not None)

    def write(seen: Expected) -> Outcome:
        return with_shelf(lambda: actions.update_story(story, me.id, patch, seen, merge=merge, moments=moments), me)

    arguments = {"id": story, "patch": dict(patch), "merge": merge}
    mutation = Mutation("updateStory", me.id, key, arguments, write, _target(story), expect)
    return performed_on_story(mutation, me, moments)


def publish_story(me: Person, *, story: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Publish one's own story, if nothing in it has changed."""
    moments = Moments(wanted=key is not None)

    def write(seen: Expected) -> Outcome:
        return _written(me, lambda: actions.publish_story(story, me.id, seen, moments))

    return performed_on_story(
        Mutation("publishStory", me.id, key, {"id": story}, write, _target(story), expect), me, moments
    )


def unpublish_story(me: Person, *, story: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Make one's own story a draft again."""
    moments = Moments(wanted=key is not None)

    def write(seen: Expected) -> Outcome:
        return _written(me, lambda: actions.unpublish_story(story, me.id, seen, moments))

    return performed_on_story(
        Mutation("unpublishStory", me.id, key, {"id": story}, write, _target(story), expect), me, moments
    )


def reorder_chapters(
    me: Person, *, story: uuid.UUID, order: Sequence[uuid.UUID], expect: Expected, key: uuid.UUID | None
) -> Outcome:
    """Reorder the chapters of one's own story."""
    moments = Moments(wanted=key is not None)

    def write(seen: Expected) -> Outcome:
        return _written(me, lambda: chapter_actions.reorder_chapters(story, me.id, order, seen, moments))

    arguments = {"story": story, "order": list(order)}
    mutation = Mutation("reorderChapters", me.id, key, arguments, write, _target(story), expect)
    return performed_on_story(mutation, me, moments)


def delete_story(me: Person, *, story: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Delete one's own story and all that belongs to it, if nothing in it has changed."""

    def write(seen: Expected) -> Outcome:
        shelf = erasure.delete_story(story, me.id, seen)
        return Outcome(Applied.WRITTEN, {"shelf": shelf})

    return performed(Mutation("deleteStory", me.id, key, {"id": story}, write, _target(story), expect), me)


def _target(story: uuid.UUID) -> Target:
    return Target("story", {"pk": story})


def _written(me: Person, write: Callable[[], tuple[Story, Applied]]) -> Outcome:
    def outcome() -> Outcome:
        story, applied = write()
        return Outcome(applied, {"story": story})

    return with_shelf(outcome, me)
