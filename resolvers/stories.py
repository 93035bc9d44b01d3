"""Stories: lookups, their fields, creating, editing, publishing and deleting them."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from backend.engine.conditions import Target, conditioned, made
from backend.engine.idempotency import Applied, Outcome, Request
from backend.engine.versions import Expected
from backend.erasure import stories as erasure
from backend.people.models import Person
from backend.stories import actions
from backend.stories import chapters as chapter_actions
from backend.stories.actions import NewStory
from backend.stories.models import Story
from resolvers.authoring import performed_on_story, with_shelf
from resolvers.work import performed


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
