"""Why a job moves its mark in the transaction that tells followers: ways that look as good, seen to tell somebody twice."""

import threading
from collections.abc import Callable, Sequence

import pytest
from django.db import connection, transaction

from tests import depth
from tests.races.rivals import PATIENCE_SECONDS, race
from tests.races.rows import query

pytestmark = pytest.mark.django_db(transaction=True)

FOLLOWERS, BATCH = 6, 2


@pytest.fixture(autouse=True)
def tables(transactional_db: None) -> None:
    """Who was told, without a rule that it be once; and how far that has come."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS naive_told, naive_mark")
        cursor.execute("CREATE TABLE naive_told (follower int)")
        cursor.execute("CREATE TABLE naive_mark (reached int)")
        cursor.execute("INSERT INTO naive_mark VALUES (0)")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE naive_told, naive_mark")


class Killed(Exception):
    """The worker is gone."""


def nothing() -> None:
    """It lives on."""


def reached(*, held: bool) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT reached FROM naive_mark{' FOR UPDATE' if held else ''}")
        return cursor.fetchone()[0]


def tell(followers: Sequence[int]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO naive_told VALUES (%s)", [(one,) for one in followers])


def move(to: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE naive_mark SET reached = %s", [to])


def told_then_marked(killed: Callable[[], None] = nothing) -> None:
    """Each batch is committed, and then the mark."""
    while (start := reached(held=False)) < FOLLOWERS:
        tell(range(start, start + BATCH))
        killed()
        move(start + BATCH)


def marked_at_once_unlocked(killed: Callable[[], None] = nothing) -> None:
    """Batch and mark in one transaction, but the mark is only looked at."""
    more = True
    while more:
        with transaction.atomic():
            start = reached(held=False)
            more = start < FOLLOWERS
            if more:
                tell(range(start, start + BATCH))
                killed()
                move(start + BATCH)


def marked_at_once_held(killed: Callable[[], None] = nothing) -> None:
    """As it is done: the mark is held first."""
    more = True
    while more:
        with transaction.atomic():
            start = reached(held=True)
            more = start < FOLLOWERS
            if more:
                tell(range(start, start + BATCH))
                killed()
                move(start + BATCH)


def times() -> set[int]:
    """How often followers were told."""
    return {count for (count,) in query("SELECT count(*) FROM naive_told GROUP BY follower")}


def once_killed(job: Callable[[Callable[[], None]], None]) -> set[int]:
    """Killed in the second batch, and done again."""
    left = [nothing, kill]

    def step() -> None:
        (left.pop(0) if left else nothing)()

    with pytest.raises(Killed):
        job(step)
    job(nothing)
    return times()


def kill() -> None:
    raise Killed


def test_a_mark_that_is_moved_afterwards_is_forgotten_by_a_kill() -> None:
    """Two followers were told twice."""
    assert once_killed(told_then_marked) == {1, 2}


@pytest.mark.parametrize("job", [marked_at_once_unlocked, marked_at_once_held])
def test_a_mark_that_is_moved_with_them_is_not(job: Callable[[Callable[[], None]], None]) -> None:
    """Nobody was told twice, as long as one worker does the job."""
    assert once_killed(job) == {1}


def seen_by_two(job: Callable[[Callable[[], None]], None], rounds: int, step: Callable[[], None] = nothing) -> set[int]:
    """The worst of several rounds in which two workers do the job at once."""
    worst: set[int] = set()
    for _ in range(rounds):
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE naive_told")
        move(0)
        race([lambda: job(step)] * 2)
        worst |= times()
    return worst


def test_two_workers_need_the_mark_held() -> None:
    """Without, both tell the same batch; with it, one waits."""
    both_have_looked = threading.Barrier(2)
    assert seen_by_two(marked_at_once_unlocked, 1, lambda: both_have_looked.wait(PATIENCE_SECONDS)) == {2}
    assert seen_by_two(marked_at_once_held, depth.rounds(30, at_least=8)) == {1}
