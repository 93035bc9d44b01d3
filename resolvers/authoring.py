"""Runs the writes whose answers show a story: with a key, its chapters are as they were at its version, also in a replay."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from backend.engine.idempotency import Outcome, Request
from backend.people.models import Person
from backend.stories import point_in_time, queries
from backend.stories.models import Chapter
from resolvers.batches import Batch, gather
from resolvers.work import performed

CHAPTERS = "chapters"
"""The key of an outcome's facts under which the versions of the story's chapters are stored."""


def performed_on_story(request: Request, work: Callable[[], Outcome], me: Person) -> Outcome:
    """`performed`. The story's version covers its chapters, so with a key their versions are stored in the reply."""

    def with_chapters() -> Outcome:
        outcome = work()
        return replace(outcome, facts={**outcome.facts, CHAPTERS: _moments(outcome.rows["story"])})

    outcome = performed(request, work if request.key is None else with_chapters, me)
    story: Any = outcome.rows["story"]
    chapter: Any = outcome.rows.get("chapter")
    if chapter is not None:
        chapter.story = story
    if CHAPTERS in outcome.facts:
        _show_as_then(story, chapter, outcome.facts[CHAPTERS])
    return outcome


def with_shelf(outcome: Outcome, me: Person) -> Outcome:
    """The outcome, with the viewer's shelf as it is now."""
    return replace(outcome, rows={**outcome.rows, "shelf": queries.shelves([me.pk])[me.pk]})


def _moments(story: Any) -> list[list[Any]]:
    return [[str(id_), version, at.isoformat()] for id_, version, at in point_in_time.moments(story.pk)]


def _show_as_then(story: Any, written: Chapter | None, facts: list[list[Any]]) -> None:
    """Let the story show its chapters as they were at its version; `written` is the one that the reply has itself."""
    moments = [(uuid.UUID(id_), version, datetime.fromisoformat(at)) for id_, version, at in facts]

    def chapters(batch: Batch) -> Mapping[uuid.UUID, list[Chapter]]:
        found = [
            written if written is not None and (written.pk, written.version) == (one.pk, one.version) else one
            for one in point_in_time.chapters(story, moments)
        ]
        gather(found, batch.viewer)
        for chapter in found:
            chapter.story = story
        return {story.pk: found}

    batch: Batch = story.batch
    batch.instead("chapters", chapters)
    batch.instead("chapter_count", lambda _batch: {story.pk: len(moments)})
