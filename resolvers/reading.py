"""Reading: recording a view, and the viewer's positions."""

import uuid

from backend.engine.errors import Conflict, Invalid
from backend.engine.idempotency import Outcome
from backend.engine.mutations import Mutation, Target
from backend.engine.transactions import unit_of_work
from backend.engine.versions import Expected
from backend.people.models import Person
from backend.reading import actions
from backend.reading.places import ReadingPlace
from resolvers.work import performed


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
            me.pk, story, place, last, furthest=furthest, seen=story_version
        )
        return Outcome(applied, {"reading": reading}, {"counted": counted})

    where = None if place is None else [str(place.chapter_id), place.offset]
    arguments = {"story": str(story), "place": where, "furthest": furthest, "seen": story_version}
    target = Target("reading", {"story_id": story, "reader_id": me.pk})
    last = Expected(None) if furthest else expect
    try:
        return performed(Mutation("recordView", me.pk, key, arguments, write, target, last), me, while_suspended=True)
    except (Conflict, Invalid):
        unit_of_work(lambda: actions.count_view(me.pk, story))
        raise
