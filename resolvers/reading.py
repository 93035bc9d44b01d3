"""Reading: recording a view, and the viewer's positions."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from backend.engine.errors import Conflict, Invalid, InvalidField, NotFound, Wrong
from backend.engine.idempotency import Applied, Outcome
from backend.engine.mutations import Mutation, Target, perform
from backend.engine.transactions import begin_answer_snapshot, unit_of_work
from backend.engine.versions import Expected
from backend.people.models import Person
from backend.reading import actions
from backend.reading.actions import Card
from backend.reading.places import ReadingPlace
from backend.reading.queries import AS_STORED, found_stories
from resolvers.replays import GONE
from resolvers.work import performed, shown_to


def record_view(
    me: Person,
    *,
    story: uuid.UUID,
    place: ReadingPlace | None,
    expect: Expected,
    furthest: bool = False,
    story_version: int | None = None,
    key: uuid.UUID | None,
) -> Outcome:
    """Store the viewer's position in a story, and count the view.

    They are two facts: that the story was opened stays true when the position is refused, because another device moved it or
    its chapter is gone. So such a refusal, which has rolled back everything, is answered after the view has been counted by a
    unit of work of its own.
    """

    def write(last: Expected) -> Outcome:
        reading, counted, applied = actions.record_view(
            me.id, story, place, last, furthest=furthest, seen=story_version
        )
        return Outcome(applied, {"reading": reading}, {"counted": counted})

    where = None if place is None else [place.chapter_id, place.offset]
    arguments = {"story": story, "place": where, "furthest": furthest, "seen": story_version}
    target = Target("reading", {"story_id": story, "reader_id": me.id})
    last = Expected(None) if furthest else expect
    try:
        outcome = performed(
            Mutation("recordView", me.id, key, arguments, write, target, last), me, while_suspended=True
        )
    except (Conflict, Invalid):
        unit_of_work(lambda: actions.count_view(me.id, story))
        raise
    reading: Any = outcome.rows["reading"]
    if reading.chapter_length is not None and reading.offset <= reading.chapter_length:
        shown_to(reading, me, instead=AS_STORED)
    return outcome


def record_views(me: Person, *, cards: Mapping[int, Card], sent: Sequence[Any], key: uuid.UUID | None) -> Outcome:
    """Store how far the viewer is in several stories, and count the views: one unit of work, in which no card undoes another.

    A row is named by the number of its card. The fact `views` says by number whether its view was counted and what was done,
    or why it was refused. `sent` is what identifies a repeated request. Of a replay, rows of stories that are gone are left out.
    """

    def write(_seen: Expected) -> Outcome:
        found = actions.record_views(me.id, cards)
        done = {str(number): one for number, one in found.items() if isinstance(one, tuple)}
        facts = {
            number: {"counted": counted, "applied": applied.value} for number, (_, counted, applied) in done.items()
        }
        facts |= {str(number): _refused(one) for number, one in found.items() if not isinstance(one, tuple)}
        is_written = any(applied is Applied.WRITTEN for _, _, applied in done.values())
        rows = {number: reading for number, (reading, _, _) in done.items()}
        return Outcome(Applied.WRITTEN if is_written else Applied.NOOP, rows, {"views": facts})

    outcome = perform(Mutation("recordViews", me.id, key, {"views": sent}, write))
    rows: dict[str, Any] = dict(outcome.rows)
    if outcome.applied is Applied.REPLAYED:
        begin_answer_snapshot()
        asked = found_stories(stories=[row.story_id for row in rows.values()], reader=me.id)
        there = {story for (story,) in asked.rows}
        rows = {number: row for number, row in rows.items() if row.story_id in there}
    for row in rows.values():
        shown_to(row, me)
    return outcome._replace(rows=rows)


def _refused(refusal: NotFound | Invalid) -> dict[str, Any]:
    """A refusal as a fact; `refusal_of` makes it again."""
    if isinstance(refusal, NotFound):
        return {"missing": refusal.message}
    return {"wrong": [[one.path, one.message, one.code.name, one.limit] for one in refusal.fields]}


def refusal_of(fact: Mapping[str, Any]) -> NotFound | Invalid:
    """Why a card was refused, or that what it had written is gone."""
    if "wrong" in fact:
        return Invalid(
            *(InvalidField(path, message, Wrong[code], limit) for path, message, code, limit in fact["wrong"])
        )
    return NotFound(fact.get("missing", GONE))
