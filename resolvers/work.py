"""Runs a mutation's unit of work, and prepares the rows of its answer."""

from functools import partial
from typing import Any

from backend.engine.errors import Conflict
from backend.engine.idempotency import Applied, Outcome
from backend.engine.mutations import Mutation, perform
from backend.market.errors import OutOfStock
from backend.moderation.decisions import standing
from backend.people.errors import Suspended
from backend.people.models import Person
from backend.people.suspension import hold_writer
from backend.sources import Shown
from backend.stories.errors import Held
from resolvers import replays


def performed(mutation: Mutation, me: Person, *, while_suspended: bool = False) -> Outcome:
    """Run the mutation as one unit of work, once. The rows of the outcome, and the present row of a refusal, are shown to `me`.

    Raises `Suspended` if they are, unless this may be done all the same, and `NotFound` for a replay of which something is gone.
    """
    if mutation.may is None and not while_suspended:
        mutation.may = partial(hold_writer, me.id)
    try:
        outcome = perform(mutation)
    except Conflict as conflict:
        conflict.current = shown_to(conflict.current, me)
        conflict.viewer = me
        raise
    except (Held, Suspended) as refusal:
        decision = standing(refusal)
        refusal.decision = None if decision is None else shown_to(decision, me)
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
    row.shown = Shown(me.id, **with_it)
    return row
