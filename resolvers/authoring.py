"""Runs the writes whose answers show a story: with a key, its chapters are as they were at its version, also in a replay."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from backend.engine.idempotency import Outcome, Request
from backend.people.models import Person
from backend.sources import as_json, columns_of
from backend.stories import point_in_time, queries
from backend.stories.models import Chapter, Story
from resolvers.work import performed, shown_to

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
    if CHAPTERS in outcome.facts:
        moments = [
            (uuid.UUID(id_), version, datetime.fromisoformat(at)) for id_, version, at in outcome.facts[CHAPTERS]
        ]
        values = {"chapters_then": lambda: _chapters(story, moments, chapter), "chapter_count_then": len(moments)}
        shown_to(story, me, instead=queries.AS_THEN, values=values)
    if chapter is not None:
        shown_to(chapter, me, beside={"story": story})
    return outcome


def with_shelf(outcome: Outcome, me: Person) -> Outcome:
    """The outcome, with the viewer's shelf as it is now."""
    return replace(outcome, rows={**outcome.rows, "shelf": queries.shelves([me.pk])[me.pk]})


def _moments(story: Any) -> list[list[Any]]:
    return [[str(id_), version, at.isoformat()] for id_, version, at in point_in_time.moments(story.pk)]


def _chapters(story: Story, moments: list[point_in_time.Moment], written: Chapter | None) -> str:
    """The chapters of the story as they were at its version, as JSON; `written` is the one that the reply has itself."""
    found = [
        written if written is not None and (written.pk, written.version) == (one.pk, one.version) else one
        for one in point_in_time.chapters(story, moments)
    ]
    return as_json([columns_of(chapter) for chapter in found])
