"""Runs a mutation's unit of work, and prepares the rows of its answer."""

from typing import Any

from backend.engine.errors import Conflict
from backend.engine.idempotency import Applied, Outcome
from backend.engine.mutations import Mutation, perform
from backend.market.errors import OutOfStock
from backend.people.models import Person
from backend.sources import Shown
from resolvers import replays


def performed(mutation: Mutation, me: Person) -> Outcome:
    """Run the mutation as one unit of work, once. The rows of the outcome, and the present row of a refusal, are shown to `me`.

    Raises `NotFound` for a replay of which something is gone.
    """
    try:
        outcome = perform(mutation)
    except Conflict as conflict:
        conflict.current = shown_to(conflict.current, me)
        conflict.viewer = me
        raise
    except OutOfStock as short:
        short.edition = shown_to(short.edition, me)
        raise
    if outcome.applied is Applied.REPLAYED:
        replays.prepare(outcome, me)
    for row in outcome.rows.values():
        shown_to(row, me)
    return outcome


def shown_to(row: Any, me: Person, **with_it: Any) -> Any:
    """The row, for an answer to this person; `with_it` are fields of `Shown`."""
    row.shown = Shown(me.pk, **with_it)
    return row
