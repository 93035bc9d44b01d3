"""Does what a mutation asks for, and makes the rows that it answers with ready to be looked into."""

from collections.abc import Callable
from typing import Any

from django.db.models import Model

from backend.engine.errors import Conflict, Invalid
from backend.engine.idempotency import Outcome, Request, perform, rows_of
from backend.engine.versions import Expected
from backend.people.models import Person
from resolvers.batches import gather


def performed(request: Request, work: Callable[[], Outcome], me: Person) -> Outcome:
    """Do `work` as one unit of work, once. Its rows, and the present row of a conflict, are batches for `me`."""
    try:
        outcome = perform(request, work)
    except Conflict as conflict:
        gather([conflict.current], me)
        raise
    for row in outcome.rows.values():
        gather([row], me)
    return outcome


def seen(me: Person, expect: Expected, model: type[Model], *, version: str = "version", **of: Any) -> Expected:
    """The version that `expect` means of one thing, in the unit of work that writes it.

    `model` and `of` tell the thing's row among those that the mutation behind `expect.after` made. Raises `Invalid` if
    it made no such row, `Busy` if it has not been served yet.
    """
    if expect.after is None:
        return expect
    for row in rows_of(me.pk, expect.after).values():
        if isinstance(row, model) and all(getattr(row, name) == value for name, value in of.items()):
            return Expected(getattr(row, version))
    raise Invalid.one("expect.after", "is the key of a mutation that did not write this.")
