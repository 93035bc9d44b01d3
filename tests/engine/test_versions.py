"""The conditioned write: one statement, whose row count decides."""

import pytest
from django.db import transaction

from backend.engine.guard import guard_of
from backend.engine.models import IdempotencyKey
from backend.engine.transactions import unit_of_work
from backend.engine.versions import Expected, is_unchanged, stamped, unchanged, write
from backend.people.models import Person
from tests.races.rivals import Rival, race
from tests.races.rows import crowd, query

pytestmark = pytest.mark.django_db(transaction=True)


def set_bio(person: Person, bio: str) -> None:
    assert write(Person.objects.filter(pk=person.pk), bio=bio, **stamped(Person, ["bio"]))


def test_a_write_that_waited_for_its_row_looks_again() -> None:
    """The one statement is atomic: after the wait the filter is applied to what the rival has committed."""
    (person,) = crowd(1)
    only_if_blank = Person.objects.filter(pk=person.pk, bio="")

    def late() -> list[Person]:
        return unit_of_work(lambda: write(only_if_blank, bio="late", **stamped(Person, ["bio"])))

    with transaction.atomic():
        set_bio(person, "early")
        rival = Rival(late).until_it_waits()
    assert rival.result() == []
    assert query("SELECT bio, version FROM people_person") == [("early", 2)]


def test_the_row_that_a_write_returns_is_the_one_that_it_made() -> None:
    """Eight writers of one row who expect nothing get eight different versions, each with its own value."""
    (person,) = crowd(1)

    def work(bio: str) -> tuple[int, str]:
        (row,) = write(Person.objects.filter(pk=person.pk), bio=bio, **stamped(Person, ["bio"]))
        return row.version, row.bio

    rows = race([lambda n=n: unit_of_work(lambda: work(f"{n}")) for n in range(8)])
    assert sorted(version for version, _ in rows) == list(range(2, 10))
    assert sorted(bio for _, bio in rows) == [f"{n}" for n in range(8)]
    assert query("SELECT version, bio FROM people_person") == [max(rows)]


@pytest.mark.parametrize("seen", [Expected(None), *(Expected(version) for version in range(6))])
@pytest.mark.parametrize("groups", [["name"], ["bio"], ["name", "bio"], []])
def test_the_filter_and_its_explanation_agree(seen: Expected, groups: list[str]) -> None:
    """What is said of a row in memory is what the database decided, for every version and group."""
    (person,) = crowd(1)
    unit_of_work(lambda: write(Person.objects.filter(pk=person.pk), name="x", **stamped(Person, ["name"])))
    unit_of_work(lambda: set_bio(person, "y"))
    unit_of_work(lambda: write(Person.objects.filter(pk=person.pk), name="z", **stamped(Person, ["name"])))
    row = Person.objects.get()
    assert (row.version, row.name_changed, row.bio_changed) == (4, 4, 3)
    found = Person.objects.filter(**unchanged(Person, seen, groups)).exists()
    assert found == is_unchanged(row, seen, groups)


def test_a_version_from_the_future_matches_nothing() -> None:
    """A client that made a version up is refused, not obeyed."""
    crowd(1)
    assert not Person.objects.filter(**unchanged(Person, Expected(2), [])).exists()


def test_a_group_that_does_not_exist_is_a_mistake() -> None:
    """A misspelt group must not become a write without a condition."""
    with pytest.raises(LookupError, match="nam"):
        unchanged(Person, Expected(1), ["nam"])
    with pytest.raises(LookupError, match="nam"):
        stamped(Person, ["nam"])
    with pytest.raises(LookupError, match="VersionGuard"):
        guard_of(IdempotencyKey)
