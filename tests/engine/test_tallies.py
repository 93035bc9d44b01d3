"""Slotted tallies: exact under many writers, and one statement for many totals."""

import uuid

import pytest

from backend.engine import tallies
from backend.engine.tallies import SLOTS
from backend.engine.transactions import unit_of_work
from backend.people.models import Person, PersonTally
from tests.races.rivals import race
from tests.races.rows import crowd, query, scalar
from tests.races.statements import recorded

pytestmark = pytest.mark.django_db(transaction=True)


def totals(kind: str, subjects: list[uuid.UUID]) -> dict[uuid.UUID, int]:
    """The total of each of these people, as what is read shows it."""
    sql = f"SELECT id, {tallies.total(PersonTally, kind, 'id')} FROM unnest(%s::uuid[]) AS id"
    return dict(query(sql, subjects))


def raise_all(people: list[Person], by: int) -> None:
    unit_of_work(lambda: tallies.add(PersonTally, [(person.pk, "followers", by) for person in people]))


def test_totals_are_exact_under_sixteen_threads() -> None:
    """Every raise and every lowering counts, in whatever order the subjects are named."""
    people = crowd(5)

    def work(number: int) -> None:
        ordered = people[number % 5 :] + people[: number % 5]
        for step in range(20):
            raise_all(ordered if step % 2 else ordered[::-1], 1)
        for _ in range(5):
            raise_all(ordered[::-1], -1)

    race([lambda n=n: work(n) for n in range(16)])
    assert totals("followers", [person.pk for person in people]) == {person.pk: 16 * 15 for person in people}
    assert scalar("SELECT count(*) FROM people_persontally") <= 5 * 16, "a slot was made though another was free"


def test_a_total_without_rows_is_zero() -> None:
    """Nobody has to be there first."""
    stranger = uuid.uuid4()
    assert totals("followers", [stranger]) == {stranger: 0}
    assert totals("followers", []) == {}


def test_kinds_do_not_mix() -> None:
    """Followers and followed of one person are two totals."""
    (person,) = crowd(1)
    raises = [(person.pk, "followers", 3), (person.pk, "following", 1), (person.pk, "stories", 0)]
    unit_of_work(lambda: tallies.add(PersonTally, raises))
    assert totals("followers", [person.pk])[person.pk] == 3
    assert totals("following", [person.pk])[person.pk] == 1
    assert scalar("SELECT count(*) FROM people_persontally") == 2


def test_totals_are_raised_in_one_statement_and_one_order() -> None:
    """Two writers who name the same subjects the other way round lock the same rows in the same order."""
    people = crowd(6)
    with recorded() as statements:
        raise_all(people[::-1], 1)
    (statement,) = statements
    assert statement.parameters[0] == f"{{{','.join(sorted(person.pk.hex for person in people))}}}"


def test_who_writes_alone_needs_one_slot() -> None:
    """Wherever the search for a free one begins."""
    people = crowd(2)
    for by in (1, 1, -1, 1, 1, 1, 1, 1):
        raise_all(people, by)
    assert query("SELECT count, slot BETWEEN 0 AND %s FROM people_persontally", SLOTS - 1) == [(6, True)] * 2


UPDATED = """
SELECT pg_stat_get_xact_tuples_updated(oid), pg_stat_get_xact_tuples_hot_updated(oid)
FROM pg_class WHERE oid = %s::regclass
"""
PLANNED = "SELECT custom_plans FROM pg_prepared_statements WHERE statement LIKE 'INSERT INTO people_persontally%%'"


def test_a_slot_is_updated_in_place() -> None:
    """No index is written to: none is of what changes."""
    (person,) = crowd(1)
    raise_all([person], 1)

    def work() -> list[int]:
        (before,) = query(UPDATED, "people_persontally")
        for _ in range(10):
            tallies.add(PersonTally, [(person.pk, "followers", 1)])
        (after,) = query(UPDATED, "people_persontally")
        return [one - other for one, other in zip(after, before, strict=True)]

    assert unit_of_work(work) == [10, 10]


def test_no_statement_is_planned_for_its_values() -> None:
    """Of the conditioned ones of a mutation least of all: each is planned once for a connection."""
    people = crowd(3)
    for _ in range(3):
        raise_all(people, 1)
    assert query(PLANNED) == [(0,)]


def test_nothing_to_raise_is_no_statement() -> None:
    """A block that ends no follow does not touch totals."""
    with recorded() as statements:
        unit_of_work(lambda: tallies.add(PersonTally, []))
    assert statements == []
    assert query("SELECT * FROM people_persontally") == []
