"""The races of whispers and reports against naive implementations, which lose them."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from tests.races.rivals import PATIENCE_SECONDS, elsewhere, race
from tests.races.rows import query, scalar

pytestmark = pytest.mark.django_db(transaction=True)

TABLES = """
CREATE TABLE naive_whisper (id int); CREATE TABLE naive_report (whisper int, reporter int, claimed_by text);
CREATE TABLE naive_word (word text);
"""


@pytest.fixture(autouse=True)
def naive_tables(transactional_db: None) -> Iterator[None]:
    """Tables without any guard."""
    run(TABLES)
    yield
    run("DROP TABLE naive_whisper, naive_report, naive_word")


def run(sql: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)


def meeting(size: int) -> Callable[[], Any]:
    """All have looked before anybody writes."""
    barrier = threading.Barrier(size)
    return lambda: barrier.wait(PATIENCE_SECONDS)


def test_looking_before_claiming_gives_a_report_to_eight_moderators() -> None:
    """Each sees that nobody has it, and is told that it is theirs."""
    run("INSERT INTO naive_report VALUES (1, 1, NULL)")
    everybody_has_looked = meeting(8)

    def claim(moderator: str) -> bool:
        with transaction.atomic():
            free = query("SELECT 1 FROM naive_report WHERE claimed_by IS NULL")
            everybody_has_looked()
            if free:
                run("UPDATE naive_report SET claimed_by = %s", moderator)
            return bool(free)

    assert race([lambda name=name: claim(name) for name in "abcdefgh"]) == [True] * 8
    assert scalar("SELECT count(DISTINCT claimed_by) FROM naive_report") == 1


def test_counting_before_inserting_passes_the_limit() -> None:
    """One report a day is allowed, and eight are made."""
    everybody_has_counted = meeting(8)

    def report(whisper: int) -> None:
        with transaction.atomic():
            made = scalar("SELECT count(*) FROM naive_report WHERE reporter = 1")
            everybody_has_counted()
            if made < 1:
                run("INSERT INTO naive_report VALUES (%s, 1, NULL)", whisper)

    race([lambda whisper=whisper: report(whisper) for whisper in range(8)])
    assert scalar("SELECT count(*) FROM naive_report") == 8


def test_looking_before_inserting_makes_the_same_report_twice() -> None:
    """Neither sees the other's."""
    both_have_looked = meeting(2)

    def report() -> None:
        with transaction.atomic():
            made = query("SELECT 1 FROM naive_report WHERE whisper = 1 AND reporter = 1")
            both_have_looked()
            if not made:
                run("INSERT INTO naive_report VALUES (1, 1, NULL)")

    race([report] * 2)
    assert scalar("SELECT count(*) FROM naive_report") == 2


def test_a_report_in_a_second_transaction_gets_lost() -> None:
    """A fault between the two, and a whisper that should be looked at is there without a report."""

    def create() -> None:
        run("INSERT INTO naive_whisper VALUES (1)")
        raise RuntimeError("a fault between two transactions")

    with pytest.raises(RuntimeError):
        create()
    assert (scalar("SELECT count(*) FROM naive_whisper"), scalar("SELECT count(*) FROM naive_report")) == (1, 0)


def test_a_whisper_that_is_not_held_is_reported_after_it_has_gone() -> None:
    """The deletion has tidied up before the report is there."""
    run("INSERT INTO naive_whisper VALUES (1)")

    def delete() -> None:
        with transaction.atomic():
            run("DELETE FROM naive_whisper WHERE id = 1")
            run("DELETE FROM naive_report WHERE whisper = 1")

    with transaction.atomic():
        there = query("SELECT 1 FROM naive_whisper WHERE id = 1")
        elsewhere(delete)
        if there:
            run("INSERT INTO naive_report VALUES (1, 1, NULL)")
    assert query("SELECT whisper FROM naive_report WHERE whisper NOT IN (SELECT id FROM naive_whisper)") == [(1,)]


def test_a_policy_that_is_remembered_without_asking_is_stale() -> None:
    """The change is committed, and whispers still go by as before."""
    remembered = {word for (word,) in query("SELECT word FROM naive_word")}
    elsewhere(lambda: run("INSERT INTO naive_word VALUES ('scam')"))
    assert "scam" not in remembered
    assert scalar("SELECT count(*) FROM naive_word WHERE word = 'scam'") == 1
