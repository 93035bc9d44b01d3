"""The races of the market against naive implementations, which lose them: copies are sold twice, or come back twice."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from tests.races.rivals import PATIENCE_SECONDS, elsewhere, race
from tests.races.rows import query, scalar

pytestmark = pytest.mark.django_db(transaction=True)

TABLES = """
CREATE TABLE naive_edition (id int PRIMARY KEY, stock int); INSERT INTO naive_edition VALUES (1, 1), (2, 100);
CREATE TABLE naive_order (id serial PRIMARY KEY, edition int, status text DEFAULT 'PLACED');
"""


@pytest.fixture(autouse=True)
def naive_tables(transactional_db: None) -> Iterator[None]:
    """Tables without any guard."""
    run(TABLES)
    yield
    run("DROP TABLE naive_edition, naive_order")


def run(sql: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)


def meeting(size: int) -> Callable[[], Any]:
    """All have read before anybody writes."""
    barrier = threading.Barrier(size)
    return lambda: barrier.wait(PATIENCE_SECONDS)


def test_looking_before_taking_sells_one_copy_eight_times() -> None:
    """There is one left, say all eight; a transaction around it does not help."""
    everybody_has_looked = meeting(8)

    def buy() -> str:
        with transaction.atomic():
            stock = scalar("SELECT stock FROM naive_edition WHERE id = 1")
            everybody_has_looked()
            if stock < 1:
                return "OUT_OF_STOCK"
            run("UPDATE naive_edition SET stock = stock - 1 WHERE id = 1")
            run("INSERT INTO naive_order (edition) VALUES (1)")
            return "WRITTEN"

    assert race([buy] * 8) == ["WRITTEN"] * 8
    assert scalar("SELECT stock FROM naive_edition WHERE id = 1") == -7


def test_writing_back_what_was_read_sells_and_forgets() -> None:
    """Sixteen are sold, and the stock knows of one."""
    everybody_has_read = meeting(16)

    def buy() -> None:
        stock = scalar("SELECT stock FROM naive_edition WHERE id = 2")
        everybody_has_read()
        run("UPDATE naive_edition SET stock = %s WHERE id = 2", stock - 1)
        run("INSERT INTO naive_order (edition) VALUES (2)")

    race([buy] * 16)
    assert (scalar("SELECT stock FROM naive_edition WHERE id = 2"), scalar("SELECT count(*) FROM naive_order")) == (
        99,
        16,
    )


def test_setting_the_stock_to_what_it_should_be_forgets_an_order() -> None:
    """The author has counted ten more; somebody buys in between, and the copy is on the shelf again."""
    stock = scalar("SELECT stock FROM naive_edition WHERE id = 2")
    elsewhere(lambda: run("UPDATE naive_edition SET stock = stock - 1 WHERE id = 2"))
    run("UPDATE naive_edition SET stock = %s WHERE id = 2", stock + 10)
    assert scalar("SELECT stock FROM naive_edition WHERE id = 2") == 110


def test_looking_before_cancelling_gives_back_eight_times() -> None:
    """It can be cancelled, say all eight."""
    run("INSERT INTO naive_order (edition) VALUES (2)")
    everybody_has_looked = meeting(8)

    def cancel() -> str:
        with transaction.atomic():
            ((status,),) = query("SELECT status FROM naive_order")
            everybody_has_looked()
            if status != "PLACED":
                return "CONFLICT"
            run("UPDATE naive_order SET status = 'CANCELLED'")
            run("UPDATE naive_edition SET stock = stock + 1 WHERE id = 2")
            return "WRITTEN"

    assert race([cancel] * 8) == ["WRITTEN"] * 8
    assert scalar("SELECT stock FROM naive_edition WHERE id = 2") == 108


def test_giving_back_in_a_second_transaction_loses_copies() -> None:
    """A fault between the two: the order is cancelled, and its copy is nowhere."""
    run("INSERT INTO naive_order (edition) VALUES (2)")
    run("UPDATE naive_edition SET stock = 99 WHERE id = 2")

    def cancel() -> None:
        run("UPDATE naive_order SET status = 'CANCELLED'")
        raise RuntimeError("a fault between two transactions")

    with pytest.raises(RuntimeError):
        cancel()
    open_orders = scalar("SELECT count(*) FROM naive_order WHERE status <> 'CANCELLED'")
    assert 100 - open_orders != scalar("SELECT stock FROM naive_edition WHERE id = 2")


def test_taking_lines_as_they_come_ends_in_a_deadlock() -> None:
    """Two orders of the same editions, one with its lines the other way round."""
    both_have_one = meeting(2)

    def buy(*editions: int) -> str:
        try:
            with transaction.atomic():
                for number, edition in enumerate(editions):
                    run("UPDATE naive_edition SET stock = stock - 1 WHERE id = %s", edition)
                    if not number:
                        both_have_one()
        except DatabaseError as error:
            return type(error.__cause__).__name__
        return "WRITTEN"

    assert sorted(race([lambda: buy(1, 2), lambda: buy(2, 1)])) == ["DeadlockDetected", "WRITTEN"]
