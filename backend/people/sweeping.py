"""Sweeping what somebody who has left has left behind: in stages and batches, each batch a unit of work.

A batch takes rows away with what counts them, and moves the mark, which it has locked. So whoever does the same job at the
same time waits, and goes on from there; whoever does it again after a crash does so too. Nobody sees these rows any more, and
no new ones are made: both from the moment of leaving. What is kept is what orders need: see `_stories`.
"""

import uuid
from collections.abc import Callable
from typing import NamedTuple

from backend.engine.idempotency import forget_keys_of
from backend.engine.transactions import unit_of_work
from backend.market.orders import cancel_open_orders
from backend.moderation.subjects import forget_reports
from backend.notifications.fanout import forget_notifications
from backend.people.models import Departure, PersonTally
from backend.reading.leaving import forget_reader
from backend.social.parting import part_from_everybody
from backend.stories.leaving import clear_story, forget_tombstones
from backend.whispers.actions import remove_whispers

BATCH = 200
"""Rows of a kind that are swept at once: few enough that the transaction is over in a moment.

They are taken in the order of an index that begins with the person. Without an order PostgreSQL would look for the first few of
somebody's many rows in the whole table, as long as its statistics tell of those that were there before.
"""


class Swept(NamedTuple):
    """What a batch has done: whether the stage has more, and after which thing it goes on."""

    more: bool
    reached: uuid.UUID | None = None


Stage = Callable[[uuid.UUID, uuid.UUID | None], Swept]


def _all_of(take_some: Callable[[uuid.UUID, int], bool]) -> Stage:
    """A stage that is over when nothing is left."""
    return lambda person, _reached: Swept(take_some(person, BATCH))


def _stories(person: uuid.UUID, reached: uuid.UUID | None) -> Swept:
    """Story by story, because one of which an edition was ordered stays, without its texts: the order shows the edition."""
    return Swept(*clear_story(person, reached, BATCH))


def _rest(person: uuid.UUID, _reached: uuid.UUID | None) -> Swept:
    if forget_keys_of(person, BATCH) or forget_tombstones(person, BATCH):
        return Swept(True)
    PersonTally.objects.filter(subject_id=person).delete()
    return Swept(False)


STAGES: tuple[Stage, ...] = (
    _all_of(cancel_open_orders),
    _all_of(remove_whispers),
    _stories,
    _all_of(part_from_everybody),
    _all_of(forget_reader),
    _all_of(forget_notifications),
    _all_of(forget_reports),
    _rest,
)
"""In this order: stories and whispers before the reports of them, follows before the notifications that they brought."""


def sweep(person_id: uuid.UUID) -> None:
    """Take away what this person left behind."""
    while unit_of_work(lambda: sweep_some(person_id)):
        pass


def sweep_some(person_id: uuid.UUID) -> bool:
    """Take away the next batch; whether there may be more."""
    mark = Departure.objects.select_for_update().filter(pk=person_id, done=False).first()
    if mark is None:
        return False
    swept = STAGES[mark.stage](person_id, mark.reached)
    stage = mark.stage if swept.more else mark.stage + 1
    done = stage == len(STAGES)
    reached = swept.reached if swept.more else None
    Departure.objects.filter(pk=person_id).update(stage=stage, reached=reached, done=done)
    return not done
