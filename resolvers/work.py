"""Runs a mutation's unit of work, and prepares the rows of its answer."""

from collections.abc import Callable

from backend.engine.errors import Conflict
from backend.engine.idempotency import Applied, Outcome, Request, perform
from backend.people.models import Person
from resolvers import replays
from resolvers.batches import gather


def performed(request: Request, work: Callable[[], Outcome], me: Person) -> Outcome:
    """Run `work` as one unit of work, once. The rows of the outcome, and the present row of a conflict, are made batches for
    `me`.

    Raises `NotFound` for a replay of which something is gone.
    """
    try:
        outcome = perform(request, work)
    except Conflict as conflict:
        gather([conflict.current], me)
        conflict.viewer = me
        raise
    if outcome.applied is Applied.REPLAYED:
        replays.prepare(outcome, me)
    for row in outcome.rows.values():
        gather([row], me)
    return outcome
