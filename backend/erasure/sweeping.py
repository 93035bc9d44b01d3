"""Deletes the data of a person who has left, in stages and batches, each batch a unit of work.

A batch locks the person's progress row (`Departure`), deletes some rows together with their totals, and advances the
progress. So two workers at the same job wait for each other, and a job that is repeated after a crash continues where
it stopped. From the moment of leaving nobody sees these rows, and no new ones are created. What orders need is kept;
see `erasure.stories`.
"""

import uuid
from collections.abc import Callable
from typing import NamedTuple

from backend.engine.declarations import delete_all
from backend.engine.idempotency import forget_keys_of
from backend.engine.transactions import unit_of_work
from backend.erasure.stories import sweep_next_story
from backend.erasure.whispers import sweep_whispers
from backend.nouns import modules
from backend.people.models import Departure, PersonTally
from backend.stories.tombstones import sweep_tombstones

BATCH = 200
"""Rows per batch: few enough for a short transaction.

They are selected in the order of an index that begins with the person. Without an ORDER BY, PostgreSQL may scan the
whole table for a person's last rows, because its statistics still include those deleted before.
"""


class Swept(NamedTuple):
    """The result of a batch: whether the stage has more, and after which row to continue."""

    more: bool
    reached: uuid.UUID | None = None


Stage = Callable[[uuid.UUID, uuid.UUID | None], Swept]


def _until_nothing_is_left(sweep_person: Callable[[uuid.UUID, int], bool]) -> Stage:
    return lambda person, _reached: Swept(sweep_person(person, BATCH))


def _stories(person: uuid.UUID, reached: uuid.UUID | None) -> Swept:
    """Story by story, because one with an ordered edition stays without its texts: the order shows the edition."""
    return Swept(*sweep_next_story(person, reached, BATCH))


def _rest(person: uuid.UUID, limit: int) -> bool:
    if forget_keys_of(person, limit) or sweep_tombstones(person, limit):
        return True
    delete_all(PersonTally.objects.filter(subject_id=person)).run()
    return False


def stages() -> tuple[Stage, ...]:
    """The stages in their order: stories and whispers before their reports, follows before their notifications.

    The progress row stores how many stages are done. So stages must not be reordered or removed while somebody is being
    swept.
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
    """Delete all data of this person."""
    while unit_of_work(lambda: sweep_some(person_id)):
        pass


def sweep_some(person_id: uuid.UUID) -> bool:
    """Delete the next batch; returns whether there may be more."""
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
