"""Chapters: appending, editing and deleting them. Putting them in order is a write to the story, in `stories`."""

import uuid
from collections.abc import Mapping
from typing import Any

from backend.engine.idempotency import Applied, Outcome
from backend.engine.mutations import Mutation, Target
from backend.engine.versions import Expected
from backend.erasure.chapters import delete_chapter as delete
from backend.people.models import Person
from backend.stories import chapters
from backend.stories.actions import NewChapter
from backend.stories.point_in_time import Moments
from resolvers.authoring import performed_on_story


def append_chapter(me: Person, *, story: uuid.UUID, new: NewChapter, key: uuid.UUID) -> Outcome:
    """Append a chapter to one's own story."""
    moments = Moments(wanted=key is not None)

    def work(_seen: Expected) -> Outcome:
        chapter, row = chapters.append_chapter(story, me.id, new, moments)
        return Outcome(Applied.WRITTEN, {"chapter": chapter, "story": row})

    arguments = {"story": story, **vars(new)}
    return performed_on_story(Mutation("appendChapter", me.id, key, arguments, work, makes="chapter"), me, moments)


def update_chapter(
    me: Person,
    *,
    chapter: uuid.UUID,
    patch: Mapping[str, Any],
    expect: Expected,
    merge: bool,
    key: uuid.UUID | None,
) -> Outcome:
    """Change the title or text of a chapter of one's own story."""
    moments = Moments(wanted=key is not None)

    def write(seen: Expected) -> Outcome:
        return chapters.update_chapter(chapter, me.id, patch, seen, merge=merge, moments=moments)

    arguments = {"id": chapter, "patch": dict(patch), "merge": merge}
    mutation = Mutation("updateChapter", me.id, key, arguments, write, _target(chapter), expect)
    return performed_on_story(mutation, me, moments)


def delete_chapter(me: Person, *, chapter: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Delete a chapter of one's own story."""
    moments = Moments(wanted=key is not None)

    def write(seen: Expected) -> Outcome:
        story = delete(chapter, me.id, seen)
        moments.of(story.pk)
        return Outcome(Applied.WRITTEN, {"story": story})

    arguments = {"id": chapter}
    mutation = Mutation("deleteChapter", me.id, key, arguments, write, _target(chapter), expect)
    return performed_on_story(mutation, me, moments)


def _target(chapter: uuid.UUID) -> Target:
    return Target("chapter", {"pk": chapter})
