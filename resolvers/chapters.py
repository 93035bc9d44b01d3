"""Chapters: appending, editing and deleting them. Putting them in order is a write to the story, in `stories`."""

import uuid
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from backend.engine.conditions import Target, conditioned, made
from backend.engine.idempotency import Applied, Outcome, Request
from backend.engine.versions import Expected
from backend.erasure.chapters import delete_chapter as delete
from backend.people.models import Person
from backend.stories import chapters
from backend.stories.actions import NewChapter
from resolvers.authoring import performed_on_story


def append_chapter(me: Person, *, story: uuid.UUID, new: NewChapter, key: uuid.UUID) -> Outcome:
    """Append a chapter to one's own story."""

    def work() -> Outcome:
        chapter, row = chapters.append_chapter(story, me.pk, new)
        return made(Outcome(Applied.WRITTEN, {"chapter": chapter, "story": row}), "chapter")

    return performed_on_story(Request("appendChapter", me.pk, key, {"story": str(story), **asdict(new)}), work, me)


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

    def write(seen: Expected) -> Outcome:
        return chapters.update_chapter(chapter, me.pk, patch, seen, merge=merge)

    request = Request("updateChapter", me.pk, key, {"id": str(chapter), "patch": dict(patch), "merge": merge})
    return performed_on_story(request, conditioned(me.pk, expect, _target(chapter), write), me)


def delete_chapter(me: Person, *, chapter: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Delete a chapter of one's own story."""

    def write(seen: Expected) -> Outcome:
        return Outcome(Applied.WRITTEN, {"story": delete(chapter, me.pk, seen)})

    request = Request("deleteChapter", me.pk, key, {"id": str(chapter)})
    return performed_on_story(request, conditioned(me.pk, expect, _target(chapter), write), me)


def _target(chapter: uuid.UUID) -> Target:
    return Target("chapter", {"pk": chapter})
