"""The snapshot that a query reads: one moment, read-only, and no trace of it on the connection."""

import pytest
from django.db import DatabaseError, connection, transaction
from psycopg import IsolationLevel

from backend.engine.transactions import snapshot, unit_of_work
from backend.people.models import Person
from tests.races.rivals import elsewhere
from tests.races.rows import crowd, scalar

pytestmark = pytest.mark.django_db(transaction=True)


def test_reads_in_a_snapshot_see_one_moment() -> None:
    """What a rival commits between two reads is not there for the second one."""
    crowd(1)
    with snapshot():
        first = Person.objects.count()
        elsewhere(lambda: crowd(1, "rival"))
        second = Person.objects.count()
    assert (first, second, Person.objects.count()) == (1, 1, 2)


def test_without_a_snapshot_reads_see_two_moments() -> None:
    """The same race in a plain transaction: what the snapshot protects from does happen."""
    crowd(1)
    with transaction.atomic():
        first = Person.objects.count()
        elsewhere(lambda: crowd(1, "rival"))
        second = Person.objects.count()
    assert (first, second) == (1, 2)


def test_a_snapshot_cannot_write() -> None:
    """A query that wrote would be a mutation that nobody has conditioned."""
    with pytest.raises(DatabaseError, match="read-only"), snapshot():
        crowd(1)
    assert Person.objects.count() == 0


@pytest.mark.parametrize("problem", [None, ValueError("x")], ids=["done", "broken off"])
def test_a_connection_is_as_before_when_the_snapshot_is_over(problem: Exception | None) -> None:
    """The next unit of work on the same connection must be able to write, at READ COMMITTED."""
    try:
        with snapshot():
            assert scalar("SHOW transaction_isolation") == "repeatable read"
            assert scalar("SHOW transaction_read_only") == "on"
            if problem:
                raise problem
    except ValueError:
        pass
    modes = ("SHOW transaction_isolation", "SHOW transaction_read_only")
    assert unit_of_work(lambda: [scalar(mode) for mode in modes]) == ["read committed", "off"]
    assert connection.get_autocommit()


def test_a_serializable_unit_leaves_the_connection_as_it_was() -> None:
    """Isolation is asked for by one unit of work, not by a connection."""
    isolation = "SHOW transaction_isolation"
    assert unit_of_work(lambda: scalar(isolation), isolation=IsolationLevel.SERIALIZABLE) == "serializable"
    assert unit_of_work(lambda: scalar(isolation)) == "read committed"
