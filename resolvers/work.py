"""Does what a mutation asks for, and makes the rows that it answers with ready to be looked into."""

from collections.abc import Callable
from typing import Any

from backend.engine.errors import Conflict
from backend.engine.idempotency import Outcome, Request, perform
from backend.people.models import Person
from resolvers.batches import gather


def performed(request: Request, work: Callable[[], Outcome], me: Person, **options: Any) -> Outcome:
    """Do `work` as one unit of work, once. Its rows, and the present row of a conflict, are batches for `me`.

    `options` go to `unit_of_work`.
    """
    try:
        outcome = perform(request, work, **options)
    except Conflict as conflict:
        gather([conflict.current], me)
        raise
    for row in outcome.rows.values():
        gather([row], me)
    return outcome
