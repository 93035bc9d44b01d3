"""The same races against naive implementations, which lose them: so these races can be lost, and the harness sees it."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction

from tests.races.cuttable_proxy import through_proxy
from tests.races.rivals import PATIENCE_SECONDS, Rival, elsewhere, race, rounds
from tests.races.rows import query, scalar

pytestmark = pytest.mark.django_db(transaction=True)

TABLES = """
CREATE TABLE naive_shelf (version int, stories int); INSERT INTO naive_shelf VALUES (0, 0);
CREATE TABLE naive_follow (follower int, followee int); CREATE TABLE naive_block (blocker int, blocked int);
CREATE TABLE naive_total (count int); INSERT INTO naive_total VALUES (0);
CREATE TABLE naive_view (reader int); CREATE TABLE naive_key (key int); CREATE TABLE naive_effect (key int);
CREATE TABLE naive_pair (id int PRIMARY KEY, value int); INSERT INTO naive_pair VALUES (1, 0), (2, 0);
CREATE TABLE naive_place (chapter int); INSERT INTO naive_place VALUES (0);
CREATE TABLE naive_chapter (id int, position int); INSERT INTO naive_chapter VALUES (0, 0), (1, 1), (2, 2);
"""
DROP = """
DROP TABLE naive_shelf, naive_follow, naive_block, naive_total, naive_view, naive_key, naive_effect, naive_pair,
    naive_place, naive_chapter
"""

Wait = Callable[[], Any]


@pytest.fixture(autouse=True)
def naive_tables(transactional_db: None) -> Iterator[None]:
    """Tables without any guard."""
    run(TABLES)
    yield
    run(DROP)


def run(sql: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)


def meeting(size: int) -> Wait:
    """All have read before anybody writes."""
    barrier = threading.Barrier(size)
    return lambda: barrier.wait(PATIENCE_SECONDS)


def test_reading_comparing_and_saving_has_eight_winners() -> None:
    """Each has seen version 0, each saves, each is told that it won: seven stories are lost."""
    everybody_has_read = meeting(8)

    def create_story() -> str:
        with transaction.atomic():
            ((version, stories),) = query("SELECT version, stories FROM naive_shelf")
            everybody_has_read()
            if version != 0:
                return "CONFLICT"
            run("UPDATE naive_shelf SET version = %s, stories = %s", version + 1, stories + 1)
            return "WRITTEN"

    assert race([create_story] * 8) == ["WRITTEN"] * 8
    assert query("SELECT version, stories FROM naive_shelf") == [(1, 1)]


def test_comparing_in_a_statement_of_its_own_has_two_winners() -> None:
    """A transaction around it does not help: at READ COMMITTED the check is stale when the write comes."""
    checked = threading.Event()

    def late() -> str:
        with transaction.atomic():
            seen = scalar("SELECT version FROM naive_shelf")
            checked.set()
            run("UPDATE naive_shelf SET version = 1, stories = stories + 1")  # waits for the other one here
            return "WRITTEN" if seen == 0 else "CONFLICT"

    with transaction.atomic():
        run("UPDATE naive_shelf SET version = 1, stories = stories + 1 WHERE version = 0")
        rival = Rival(late)
        assert checked.wait(PATIENCE_SECONDS)
        rival.until_it_waits()
    assert rival.result() == "WRITTEN"
    assert query("SELECT version, stories FROM naive_shelf") == [(1, 2)]


def test_two_tables_let_a_follow_cross_a_block() -> None:
    """Neither of the two sees what the other has not committed yet."""
    both_have_looked = meeting(2)

    def follow(number: int) -> None:
        with transaction.atomic():
            blocked = query("SELECT 1 FROM naive_block WHERE blocker = %s", number)
            both_have_looked()
            if not blocked:
                run("INSERT INTO naive_follow VALUES (0, %s)", number)

    def block(number: int) -> None:
        with transaction.atomic():
            run("DELETE FROM naive_follow WHERE followee = %s", number)
            both_have_looked()
            run("INSERT INTO naive_block VALUES (%s, 0)", number)

    rounds([follow, block], 50)
    assert scalar("SELECT count(*) FROM naive_follow JOIN naive_block ON followee = blocker") == 50


def test_two_tables_let_a_follow_cross_a_block_without_being_forced() -> None:
    """Only started together, as in the real race: within a few hundred rounds it happens, on a busy machine some thousands."""

    def follow(number: int) -> None:
        with transaction.atomic():
            if not query("SELECT 1 FROM naive_block WHERE blocker = %s", number):
                run("INSERT INTO naive_follow VALUES (0, %s)", number)

    def block(number: int) -> None:
        with transaction.atomic():
            run("INSERT INTO naive_block VALUES (%s, 0)", number)
            run("DELETE FROM naive_follow WHERE followee = %s", number)

    for _ in range(100):
        rounds([follow, block], 200)
        if scalar("SELECT count(*) FROM naive_follow JOIN naive_block ON followee = blocker"):
            return
    raise AssertionError("the race was never lost: the rivals do not really meet")


def test_reading_and_adding_in_the_client_loses_counts() -> None:
    """Sixteen readers, and a total of one."""
    everybody_has_read = meeting(16)

    def view() -> None:
        total = scalar("SELECT count FROM naive_total")
        everybody_has_read()
        run("UPDATE naive_total SET count = %s", total + 1)

    race([view] * 16)
    assert scalar("SELECT count FROM naive_total") == 1


def test_looking_before_inserting_counts_a_reader_eight_times() -> None:
    """Nobody has viewed it yet, say all eight."""
    everybody_has_looked = meeting(8)

    def view() -> bool:
        known = query("SELECT 1 FROM naive_view WHERE reader = 1")
        everybody_has_looked()
        if not known:
            run("INSERT INTO naive_view VALUES (1)")
        return not known

    assert race([view] * 8) == [True] * 8
    assert scalar("SELECT count(*) FROM naive_view") == 8


def test_a_key_that_is_looked_up_but_not_claimed_has_eight_effects() -> None:
    """The key is written after the work, so requests in flight do not see each other."""
    everybody_has_looked = meeting(8)

    def request() -> str:
        with transaction.atomic():
            served = query("SELECT 1 FROM naive_key WHERE key = 7")
            everybody_has_looked()
            if served:
                return "REPLAYED"
            run("INSERT INTO naive_effect VALUES (7)")
            run("INSERT INTO naive_key VALUES (7)")
            return "WRITTEN"

    assert race([request] * 8) == ["WRITTEN"] * 8
    assert scalar("SELECT count(*) FROM naive_effect") == 8


def test_trying_again_after_a_cut_at_commit_has_two_effects() -> None:
    """An error from COMMIT that is taken for a failure: the write that did happen happens again."""

    def write() -> None:
        with transaction.atomic():
            run("INSERT INTO naive_effect VALUES (1)")

    with through_proxy() as proxy:
        proxy.cut("after")
        with pytest.raises(OperationalError):
            write()
        write()
    assert scalar("SELECT count(*) FROM naive_effect") == 2


def test_counting_in_a_second_transaction_leaves_a_row_uncounted() -> None:
    """A fault between the two, and total and rows differ for ever."""

    def view() -> None:
        run("INSERT INTO naive_view VALUES (1)")
        raise RuntimeError("a fault between two transactions")

    with pytest.raises(RuntimeError):
        view()
    assert scalar("SELECT count(*) FROM naive_view") != scalar("SELECT count FROM naive_total")


def test_reading_comparing_and_moving_ends_behind_the_furthest() -> None:
    """All eight are further than the place that they have read, and each overwrites one who was further still."""
    everybody_has_read = meeting(8)
    moved = [threading.Event() for _ in range(9)]
    moved[8].set()

    def move(chapter: int) -> str:
        present = scalar("SELECT chapter FROM naive_place")
        everybody_has_read()
        assert moved[chapter].wait(PATIENCE_SECONDS)  # the furthest is the first
        if chapter > present:
            run("UPDATE naive_place SET chapter = %s", chapter)
        moved[chapter - 1].set()
        return "WRITTEN" if chapter > present else "NOOP"

    assert race([lambda chapter=chapter: move(chapter) for chapter in range(1, 9)]) == ["WRITTEN"] * 8
    assert scalar("SELECT chapter FROM naive_place") == 1


def test_comparing_by_another_table_while_waiting_moves_back() -> None:
    """The row that was waited for is looked at again, the rows that it is compared by are not: their order is stale."""

    def move() -> None:
        run("UPDATE naive_place SET chapter = 1 WHERE (SELECT position FROM naive_chapter WHERE id = chapter) < 1")

    with transaction.atomic():
        run("UPDATE naive_chapter SET position = 3 WHERE id = 0")
        run("UPDATE naive_place SET chapter = 0")
        rival = Rival(move).until_it_waits()
    rival.result()
    assert query("SELECT position FROM naive_place JOIN naive_chapter ON id = chapter") == [(1,)]


def test_locks_in_any_order_end_in_a_deadlock() -> None:
    """Without an order, and without being run again, one of two honest writers fails."""
    both_have_one = meeting(2)

    def write(first: int, second: int) -> str:
        try:
            with transaction.atomic():
                run("UPDATE naive_pair SET value = value + 1 WHERE id = %s", first)
                both_have_one()
                run("UPDATE naive_pair SET value = value + 1 WHERE id = %s", second)
        except DatabaseError as error:
            return type(error.__cause__).__name__
        return "WRITTEN"

    assert sorted(race([lambda: write(1, 2), lambda: write(2, 1)])) == ["DeadlockDetected", "WRITTEN"]


def test_a_swallowed_error_is_answered_as_success() -> None:
    """PostgreSQL rolls back at COMMIT, Django says nothing, and the caller believes that it has written."""

    def write() -> str:
        with transaction.atomic():
            run("INSERT INTO naive_effect VALUES (1)")
            with contextlib.suppress(IntegrityError):
                run("INSERT INTO naive_pair VALUES (1, 0)")
            return "WRITTEN"

    assert elsewhere(write) == "WRITTEN"
    assert scalar("SELECT count(*) FROM naive_effect") == 0
