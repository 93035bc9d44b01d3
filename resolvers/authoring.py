"""Runs the writes whose answers show a story: with a key, its chapters are as they were at its version, also in a replay."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from backend.engine.idempotency import Outcome
from backend.engine.mutations import Mutation
from backend.people.models import Person
from backend.sources import as_json, columns_of
from backend.stories import point_in_time, queries
from backend.stories.models import Chapter, Story
from backend.stories.point_in_time import UNWANTED, Moment, Moments
from resolvers.work import performed, shown_to

CHAPTERS = "chapters"
"""The key of an outcome's facts under which the versions of the story's chapters are stored."""


def performed_on_story(mutation: Mutation, me: Person, moments: Moments = UNWANTED) -> Outcome:
    """`performed`. The story's version covers its chapters, so with a key their versions are stored in the reply.

    The work has to ask for these moments, unless it makes all chapters of the story.
    """

    def facts(outcome: Outcome) -> Mapping[str, Any]:
        new = _new_chapters(outcome)
        found = moments.found if new is None else [(one.pk, one.version, one.updated_at) for one in new]
        return {CHAPTERS: [[str(id_), version, at.isoformat()] for id_, version, at in found]}

    mutation.facts = facts
    outcome = performed(mutation, me)
    story: Any = outcome.rows["story"]
    chapter: Any = outcome.rows.get("chapter")
    with_it: dict[str, Any] = {}
    new = _new_chapters(outcome)
    if new is not None:
        with_it["lists"] = {"chapters": [shown_to(one, me, beside={"story": story}) for one in new]}
    if CHAPTERS in outcome.facts:
        then = [(uuid.UUID(id_), version, datetime.fromisoformat(at)) for id_, version, at in outcome.facts[CHAPTERS]]
        values = {"chapters_then": lambda: _chapters(story, then, chapter), "chapter_count_then": len(then)}
        with_it |= {"instead": queries.AS_THEN, "values": values}
    shown_to(story, me, **with_it)
    if chapter is not None:
        shown_to(chapter, me, beside={"story": story})
    return outcome


def _new_chapters(outcome: Outcome) -> Sequence[Chapter] | None:
    """All chapters of the story, if it was made with them."""
    story: Any = outcome.rows["story"]
    new: Sequence[Chapter] | None = story.new_chapters
    return new


def with_shelf(write: Callable[[], Outcome], me: Person) -> Outcome:
    """The outcome of a write that does not change the viewer's shelf, with that. It is read in the same round trip."""
    shelf = queries.shelf_of(author=me.id)
    outcome = write()
    return outcome._replace(rows={**outcome.rows, "shelf": shelf.rows[0]})


def _chapters(story: Story, moments: list[Moment], written: Chapter | None) -> str:
    """The chapters of the story as they were at its version, as JSON; `written` is the one that the reply has itself."""
    found = [
        written if written is not None and (written.pk, written.version) == (one.pk, one.version) else one
        for one in point_in_time.chapters(story, moments)
    ]
    return as_json([columns_of(chapter) for chapter in found])
