"""The conditioned write: one statement, whose row count decides."""

import uuid
from collections.abc import Callable

import pytest
from django.db import transaction

from backend.engine.guard import guard_of
from backend.engine.models import IdempotencyKey
from backend.engine.transactions import unit_of_work
from backend.engine.versions import MAX_OWN_VERSIONS, Expected, is_unchanged, mergeable, stamped, unchanged
from backend.people.models import Person
from backend.stories.models import Shelf
from tests.races.rivals import Rival, race
from tests.races.rows import crowd, query
from tests.writing import remove, remove_all, replace, write, write_all

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
    found = Person.objects.filter(unchanged(Person, seen, groups)).exists()
    assert found == is_unchanged(row, seen, groups)


def test_a_version_from_the_future_matches_nothing() -> None:
    """A client that made a version up is refused, not obeyed."""
    crowd(1)
    assert not Person.objects.filter(unchanged(Person, Expected(2), [])).exists()


def test_a_group_that_does_not_exist_is_a_mistake() -> None:
    """A misspelt group must not become a write without a condition."""
    with pytest.raises(LookupError, match="nam"):
        unchanged(Person, Expected(1), ["nam"])
    with pytest.raises(LookupError, match="nam"):
        stamped(Person, ["nam"])
    with pytest.raises(LookupError, match="VersionGuard"):
        guard_of(IdempotencyKey)


# --- What was replaced, and what is gone ------------------------------------------------------------------------


def test_a_write_that_waited_knows_what_it_replaced() -> None:
    """The earlier value is the one that the rival has committed, not the one from when the statement began."""
    (person,) = crowd(1)

    def late() -> list[Person]:
        rows = Person.objects.filter(unchanged(Person, Expected(1), ["name"]), pk=person.pk)
        return unit_of_work(lambda: replace(rows, bio="late", **stamped(Person, ["bio"])))

    with transaction.atomic():
        set_bio(person, "early")
        rival = Rival(late).until_it_waits()
    (row,) = rival.result()
    assert (row.bio, row.version) == ("late", 3)
    assert row.before["bio"] == "early"  # type: ignore[attr-defined]
    assert (row.before["version"], row.before["bio_changed"]) == (2, 2)  # type: ignore[attr-defined]


def test_a_replacing_write_that_waited_looks_again() -> None:
    """Its condition is applied to what the rival has committed, as that of a plain write is."""
    (person,) = crowd(1)
    seen = Person.objects.filter(unchanged(Person, Expected(1), ["bio"]), pk=person.pk)
    with transaction.atomic():
        set_bio(person, "early")
        late = Rival(lambda: unit_of_work(lambda: replace(seen, bio="late", **stamped(Person, ["bio"]))))
        late.until_it_waits()
    assert late.result() == []
    assert query("SELECT bio, version FROM people_person") == [("early", 2)]


def test_a_chain_of_replacing_writes_has_no_gap() -> None:
    """What each of eight rivals replaced is what another wrote: every value but the last is somebody's `before`."""
    (person,) = crowd(1)

    def work(bio: str) -> tuple[str, str]:
        (row,) = replace(Person.objects.filter(pk=person.pk), bio=bio, **stamped(Person, ["bio"]))
        return row.before["bio"], row.bio  # type: ignore[attr-defined]

    links = race([lambda n=n: unit_of_work(lambda: work(f"{n}")) for n in range(8)])
    befores, afters = {before for before, _ in links}, {after for _, after in links}
    ((last,),) = query("SELECT bio FROM people_person")
    assert befores == (afters | {""}) - {last}


def test_a_conditioned_delete_that_waited_looks_again() -> None:
    """Whoever deletes what they have not seen is told, not obeyed."""
    (person,) = crowd(1)
    seen = Shelf.objects.filter(unchanged(Shelf, Expected(0), ["stories"]), pk=person.pk)
    with transaction.atomic():
        write(Shelf.objects.filter(pk=person.pk), **stamped(Shelf, ["stories"]))
        late = Rival(lambda: unit_of_work(lambda: remove(seen))).until_it_waits()
    assert late.result() == []
    shelf = Shelf.objects.filter(unchanged(Shelf, Expected(1), ["stories"]), pk=person.pk)
    assert [row.version for row in unit_of_work(lambda: remove(shelf))] == [1]
    assert not Shelf.objects.exists()


def test_writes_to_many_rows_are_counted() -> None:
    """Each row gets a version of its own; what is removed is counted too."""
    crowd(3)
    assert unit_of_work(lambda: write_all(Person.objects.all(), bio="x", **stamped(Person, ["bio"]))) == 3
    assert query("SELECT DISTINCT bio, version, bio_changed FROM people_person") == [("x", 2, 2)]
    assert unit_of_work(lambda: remove_all(Shelf.objects.all())) == 3
    assert unit_of_work(lambda: remove_all(Shelf.objects.all())) == 0


@pytest.mark.parametrize("act", [replace, write, write_all])
def test_every_write_needs_a_transaction(act: Callable[..., object]) -> None:
    """Without a unit of work it could be half done."""
    crowd(1)
    with pytest.raises(RuntimeError, match="unit of work"):
        act(Person.objects.all(), bio="x", **stamped(Person, ["bio"]))
    for gone in (remove, remove_all):
        with pytest.raises(RuntimeError, match="unit of work"):
            gone(Shelf.objects.all())


@pytest.mark.parametrize(
    ("values", "seen", "merges"),
    [
        ({"bio": "mine"}, 1, False),
        ({"bio": "theirs"}, 1, True),
        ({"name": "mine"}, 1, True),
        ({"name": "mine", "bio": "theirs"}, 1, True),
        ({"name": "mine", "bio": "mine"}, 1, False),
        ({"bio": "mine"}, 2, True),
        ({"bio": "theirs"}, 3, False),
        ({"bio": "mine"}, None, True),
    ],
)
def test_what_merges(values: dict[str, str], seen: int | None, merges: bool) -> None:
    """A field that nobody else has changed, or that has become what is wanted; never from a version of the future."""
    (person,) = crowd(1)
    unit_of_work(lambda: set_bio(person, "theirs"))
    assert Person.objects.filter(mergeable(Person, values, Expected(seen))).exists() == merges


def test_an_expectation_of_a_key_is_not_filtered_on() -> None:
    """It must become a version first, or the write would have no condition."""
    after = Expected(None, uuid.uuid4())
    for make in (lambda: unchanged(Person, after, ["bio"]), lambda: mergeable(Person, {"bio": ""}, after)):
        with pytest.raises(LookupError, match="key"):
            make()


# --- What one's own writes have seen -----------------------------------------------------------------------------


def test_own_writes_in_a_row_are_one_version() -> None:
    """As long as nobody else writes in between."""
    assert Expected(3).and_wrote(4).and_wrote(5) == Expected(5)


def test_own_writes_over_others_have_not_seen_those() -> None:
    """What another wrote in the gap stays unseen, however often one writes oneself after it."""
    seen = Expected(1).and_wrote(3).and_wrote(4)
    assert (seen, seen.latest) == (Expected(1, own=(3, 4)), 4)
    assert [stamp for stamp in range(1, 7) if seen.has_seen(stamp)] == [1, 3, 4]
    for version in range(5, 300):
        seen = seen.and_wrote(version)
    assert len(seen.own) == MAX_OWN_VERSIONS
    assert not seen.has_seen(3)


@pytest.mark.parametrize(("group", "passes"), [("name", False), ("bio", True), ("show_mature", True)])
def test_what_was_unseen_stays_a_reason_to_refuse(group: str, passes: bool) -> None:
    """I saw version 1 and wrote the bio at 3 over a name of version 2: the name is still unseen, the bio is mine."""
    (person,) = crowd(1)
    unit_of_work(lambda: write(Person.objects.filter(pk=person.pk), name="theirs", **stamped(Person, ["name"])))
    unit_of_work(lambda: set_bio(person, "mine"))
    seen, row = Expected(1).and_wrote(3), Person.objects.get()
    assert Person.objects.filter(unchanged(Person, seen, [group])).exists() == passes
    assert is_unchanged(row, seen, [group]) == passes
    assert (
        Person.objects.filter(mergeable(Person, {group: "x" if group != "show_mature" else True}, seen)).exists()
        == passes
    )
