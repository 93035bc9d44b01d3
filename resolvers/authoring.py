"""Runs the writes whose answers show a story: with a key, its chapters are as they were at its version, also in a replay."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from backend.engine.idempotency import Outcome
from backend.engine.mutations import Mutation
from backend.people.models import Person
from backend.sources import as_json, columns_of
from backend.stories import point_in_time, queries
from backend.stories.models import Chapter, Story
from backend.stories.point_in_time import Moment, Moments
from resolvers.work import performed, shown_to

CHAPTERS = "chapters"
"""The key of an outcome's facts under which the versions of the story's chapters are stored."""


def performed_on_story(mutation: Mutation, me: Person, moments: Moments) -> Outcome:
    """`performed`. The story's version covers its chapters, so with a key their versions are stored in the reply.

    The work has to ask for these moments.
    """

    def facts(_: Outcome) -> Mapping[str, Any]:
        return {CHAPTERS: [[str(id_), version, at.isoformat()] for id_, version, at in moments.found]}

    outcome = performed(replace(mutation, facts=facts), me)
    story: Any = outcome.rows["story"]
    chapter: Any = outcome.rows.get("chapter")
    if CHAPTERS in outcome.facts:
        then = [(uuid.UUID(id_), version, datetime.fromisoformat(at)) for id_, version, at in outcome.facts[CHAPTERS]]
        values = {"chapters_then": lambda: _chapters(story, then, chapter), "chapter_count_then": len(then)}
        shown_to(story, me, instead=queries.AS_THEN, values=values)
    if chapter is not None:
        shown_to(chapter, me, beside={"story": story})
    return outcome


def with_shelf(write: Callable[[], Outcome], me: Person) -> Outcome:
    """The outcome of a write that does not change the viewer's shelf, with that. It is read in the same round trip."""
    shelf = queries.shelf_of(author=me.pk)
    outcome = write()
    return replace(outcome, rows={**outcome.rows, "shelf": shelf.rows[0]})


def _chapters(story: Story, moments: list[Moment], written: Chapter | None) -> str:
    """The chapters of the story as they were at its version, as JSON; `written` is the one that the reply has itself."""
    found = [
        written if written is not None and (written.pk, written.version) == (one.pk, one.version) else one
        for one in point_in_time.chapters(story, moments)
    ]
    return as_json([columns_of(chapter) for chapter in found])
