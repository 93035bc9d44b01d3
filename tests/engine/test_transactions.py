"""The unit of work and the snapshot: what is run again, what is refused, and what a reader sees."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from psycopg import IsolationLevel

from backend.engine import tallies
from backend.engine.errors import Busy, Conflict, Invalid, Refusal, Unseen
from backend.engine.locks import lock_order
from backend.engine.transactions import MAX_ATTEMPTS, RUN_AGAIN, unit_of_work
from backend.engine.versions import stamped
from backend.people.models import Person, PersonTally
from tests.races.rivals import PATIENCE_SECONDS, race
from tests.races.rows import crowd, query, scalar
from tests.writing import write

pytestmark = pytest.mark.django_db(transaction=True)

NOTHING = Unseen(0, (), latest=None, at=None, by=None)
RAISE = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '%s'; END $$"


def fail_with(state: str) -> None:
    query(RAISE % state)


def set_bio(person: Person, bio: str) -> None:
    assert write(Person.objects.filter(pk=person.pk), bio=bio, **stamped(Person, ["bio"]))


# --- What is run again ----------------------------------------------------------------------------------------


UNSUPPORTED = "0A000"
"""Of a prepared statement whose table has changed, but also of wrong SQL."""


@pytest.mark.parametrize("state", sorted(RUN_AGAIN - {UNSUPPORTED}))
def test_what_postgresql_breaks_off_is_run_again_a_bounded_number_of_times(state: str) -> None:
    """A deadlock or a serialization failure that does not go away ends as BUSY, not as an endless loop."""
    runs: list[int] = []
    with pytest.raises(Busy):
        unit_of_work(lambda: (runs.append(1), fail_with(state)))
    assert len(runs) == MAX_ATTEMPTS


def test_what_is_still_not_supported_when_it_is_run_again_is_a_fault_of_ours() -> None:
    runs: list[int] = []
    with pytest.raises(DatabaseError):
        unit_of_work(lambda: (runs.append(1), fail_with(UNSUPPORTED)))
    assert len(runs) == MAX_ATTEMPTS


@pytest.mark.parametrize("state", ["55P03", "57014", "53300", "25P03", "25P04"])
def test_what_the_database_cannot_serve_now_is_busy_at_once(state: str) -> None:
    """A time-out or a lack of resources is not made worse by running it again."""
    runs: list[int] = []
    with pytest.raises(Busy):
        unit_of_work(lambda: (runs.append(1), fail_with(state)))
    assert len(runs) == 1


@pytest.mark.parametrize("state", ["23505", "42P01", "22012"])
def test_a_fault_of_ours_is_not_called_busy(state: str) -> None:
    """A broken constraint or wrong SQL must be seen, not be sent again and again."""
    runs: list[int] = []
    with pytest.raises(DatabaseError):
        unit_of_work(lambda: (runs.append(1), query(RAISE % state)))
    assert len(runs) == 1


@pytest.mark.parametrize(
    "problem", [Conflict(None, expected=1, unseen=NOTHING, after_ms=1), Invalid.one("x", "y"), ValueError("x")]
)
def test_a_refusal_is_never_run_again_and_rolls_back(problem: Exception) -> None:
    """A conflict is the client's decision; a refusal has left no trace when it is heard."""
    runs: list[int] = []

    def work() -> None:
        runs.append(1)
        crowd(1)
        raise problem

    with pytest.raises(type(problem)) as caught:
        unit_of_work(work)
    assert caught.value is problem
    assert (len(runs), Person.objects.count()) == (1, 0)


def test_a_real_deadlock_is_run_again_and_both_succeed() -> None:
    """Two units that lock two rows crosswise: one is broken off, and does all of its work the second time."""
    one, other = crowd(2)
    met, runs = threading.Barrier(2), [0, 0]

    def work(rival: int, first: Person, second: Person) -> None:
        runs[rival] += 1
        set_bio(first, f"by {rival}")
        if runs[rival] == 1:
            met.wait(PATIENCE_SECONDS)
        set_bio(second, f"by {rival}")

    race([lambda: unit_of_work(lambda: work(0, one, other)), lambda: unit_of_work(lambda: work(1, other, one))])
    assert sorted(runs) == [1, 2]
    bios = query("SELECT bio, version FROM people_person")
    assert bios in ([("by 0", 3)] * 2, [("by 1", 3)] * 2)


@pytest.mark.parametrize("isolation", [None, IsolationLevel.SERIALIZABLE], ids=["read committed", "serializable"])
def test_serializable_prevents_write_skew(isolation: IsolationLevel | None) -> None:
    """Each of two on duty leaves if the other stays: alone in its own row, only SERIALIZABLE sees that both left."""
    people, met, runs = crowd(2), threading.Barrier(2), [0, 0]

    def leave(me: int) -> None:
        runs[me] += 1
        other_left = Person.objects.filter(pk=people[1 - me].pk, bio="left").exists()
        if runs[me] == 1:
            met.wait(PATIENCE_SECONDS)
        if not other_left:
            set_bio(people[me], "left")

    race([lambda me=me: unit_of_work(lambda: leave(me), isolation=isolation) for me in (0, 1)])
    left = Person.objects.filter(bio="left").count()
    assert (left, sum(runs)) == ((2, 2) if isolation is None else (1, 3))


# --- What is refused ------------------------------------------------------------------------------------------


def test_a_unit_of_work_is_the_outermost() -> None:
    """Inside another one it could be answered before it is durable."""
    with pytest.raises(RuntimeError, match="durable"):
        unit_of_work(lambda: unit_of_work(lambda: None))
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        unit_of_work(lambda: None)


@pytest.mark.parametrize(
    "writing",
    [
        lambda person: set_bio(person, "?"),
        lambda person: tallies.add(PersonTally, [(person.pk, "followers", 1)]),
    ],
    ids=["write", "tally"],
)
def test_inner_code_refuses_to_run_outside_a_unit_of_work(writing: Callable[[Person], Any]) -> None:
    """A write that somebody forgot to wrap could be half done."""
    (person,) = crowd(1)
    with pytest.raises(RuntimeError, match="unit of work"):
        writing(person)
    assert scalar("SELECT bio FROM people_person") == ""


def test_a_unit_that_swallowed_a_database_error_is_not_called_done() -> None:
    """PostgreSQL answers its COMMIT with a silent ROLLBACK; that must not be taken for success."""

    def work() -> str:
        (person,) = crowd(1)
        try:
            Person.objects.bulk_create([Person(handle=person.handle, name="again")])
        except IntegrityError:
            return "done"
        return "never"

    with pytest.raises(RuntimeError, match="let database errors through"):
        unit_of_work(work)
    assert Person.objects.count() == 0


def test_a_unit_that_was_marked_for_rollback_is_not_called_done() -> None:
    """Django rolls such a transaction back without a word; the caller must hear of it."""

    def work() -> str:
        crowd(1)
        transaction.set_rollback(True)
        return "done"

    with pytest.raises(RuntimeError, match="let database errors through"):
        unit_of_work(work)
    assert Person.objects.count() == 0


def test_every_refusal_has_a_code_of_its_own() -> None:
    """A client tells refusals apart by code; one without would be answered as a fault."""
    kinds = Refusal.__subclasses__()
    assert len({kind.code for kind in kinds}) == len(kinds) >= 8


def test_the_order_of_locks_names_each_table_once() -> None:
    """A table that was named twice would have no place in the order."""
    assert len(set(lock_order())) == len(lock_order())
