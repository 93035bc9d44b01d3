"""Replays: a stored reply is shown only while what it shows is there, and what it reads beside that is of one moment."""

import uuid
from typing import Any

from django.db.models import Model

from backend.engine.declarations import select
from backend.engine.errors import NotFound
from backend.engine.idempotency import Outcome
from backend.engine.statements import Declared, compiled
from backend.engine.transactions import begin_answer_snapshot
from backend.engine.values import moment
from backend.nouns import collect
from backend.people.models import Person
from backend.stories.tombstones import deleted_at

GONE = "This request had been served before, and what it wrote is gone."


def prepare(outcome: Outcome, me: Person) -> None:
    """Begin the one moment of a replay. Raises `NotFound` if a row of it is there no more, for the person who wrote it."""
    begin_answer_snapshot()
    for row in outcome.rows.values():
        if not _is_there(row, me):
            at = deleted_at([row.pk, getattr(row, "story_id", None)], me.id)
            raise NotFound(GONE if at is None else f"{GONE} It was deleted at {moment(at)}.", deleted_at=at)


def _is_there(row: Any, me: Person) -> bool:
    for still_there in collect("queries", "STILL_THERE"):
        if type(row) in still_there:
            there: bool = still_there[type(row)](row, me.id)
            return there
    return _found(type(row), id=row.pk).row is not None


@compiled
def _found(model: type[Model], *, id: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    return select(model._base_manager.filter(pk=id).values_list("pk"))
