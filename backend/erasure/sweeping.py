"""Sweeping what somebody who has left has left behind: in stages and batches, each batch a unit of work.

A batch takes rows away with what counts them, and moves the mark, which it has locked. So whoever does the same job at the
same time waits, and goes on from there; whoever does it again after a crash does so too. Nobody sees these rows any more, and
no new ones are made: both from the moment of leaving. What is kept is what orders need: see `erasure.stories`.
"""

import uuid
from collections.abc import Callable
from typing import NamedTuple

from backend.engine.idempotency import forget_keys_of
from backend.engine.transactions import unit_of_work
from backend.erasure.stories import sweep_next_story
from backend.erasure.whispers import sweep_whispers
from backend.nouns import modules
from backend.people.models import Departure, PersonTally
from backend.stories.tombstones import sweep_tombstones

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


def _until_nothing_is_left(sweep_person: Callable[[uuid.UUID, int], bool]) -> Stage:
    return lambda person, _reached: Swept(sweep_person(person, BATCH))


def _stories(person: uuid.UUID, reached: uuid.UUID | None) -> Swept:
    """Story by story, because one of which an edition was ordered stays, without its texts: the order shows the edition."""
    return Swept(*sweep_next_story(person, reached, BATCH))


def _rest(person: uuid.UUID, limit: int) -> bool:
    if forget_keys_of(person, limit) or sweep_tombstones(person, limit):
        return True
    PersonTally.objects.filter(subject_id=person).delete()
    return False


def stages() -> tuple[Stage, ...]:
    """What is swept, in this order: stories and whispers before the reports of them, follows before their notifications.

    A mark remembers how many stages are done. So a new one may come anywhere, and none may change its place or go while
    somebody is being swept.
    """
    numbered: list[tuple[int, Stage]] = [
        (20, _until_nothing_is_left(sweep_whispers)),
        (30, _stories),
        (1_000, _until_nothing_is_left(_rest)),
    ]
    for noun in modules("erasure"):
        if hasattr(noun, "sweep_person"):
            numbered.append((noun.SWEEP_STAGE, _until_nothing_is_left(noun.sweep_person)))
    return tuple(stage for _, stage in sorted(numbered, key=lambda one: one[0]))


def sweep(person_id: uuid.UUID) -> None:
    """Take away what this person left behind."""
    while unit_of_work(lambda: sweep_some(person_id)):
        pass


def sweep_some(person_id: uuid.UUID) -> bool:
    """Take away the next batch; whether there may be more."""
    mark = Departure.objects.select_for_update().filter(pk=person_id, done=False).first()
    if mark is None:
        return False
    every_stage = stages()
    swept = every_stage[mark.stage](person_id, mark.reached)
    stage = mark.stage if swept.more else mark.stage + 1
    done = stage == len(every_stage)
    reached = swept.reached if swept.more else None
    Departure.objects.filter(pk=person_id).update(stage=stage, reached=reached, done=done)
    return not done
