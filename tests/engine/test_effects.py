"""What a statement does to versioned rows is known from its declaration, and one that could lose a write is never sent."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import F, Q
from django.db.models.functions import Now

from backend.engine.declarations import delete, replace, select, update
from backend.engine.effects import Effect
from backend.engine.ids import uuid7
from backend.engine.statements import Declared, compiled
from backend.engine.transactions import unit_of_work
from backend.engine.versions import Expected, mergeable, stamped, stamped_when, unchanged
from backend.people.models import Person
from backend.social.models import Relationship
from backend.stories.models import Shelf

pytestmark = pytest.mark.django_db(transaction=True)

Declare = Callable[..., Declared[Any]]
SEEN = Expected(1)


def person() -> Any:
    return Person.objects.filter(pk=uuid7())


def pair() -> Any:
    return Relationship.objects.filter(pk=uuid7())


def unstamped(*, seen: Expected) -> Declared[Any]:
    """Others would never see that the name has changed."""
    return update(person().filter(unchanged(Person, seen, ["name"])), name="x", version=F("version") + 1)


def stamped_otherwise(*, seen: Expected) -> Declared[Any]:
    return update(person().filter(unchanged(Person, seen, ["bio"])), name="x", **stamped(Person, ["bio"]))


def stamped_on_the_other_side(*, seen: Expected) -> Declared[Any]:
    stamps = stamped(Relationship, ["following"], side="high_")
    rows = pair().filter(unchanged(Relationship, seen, ["following"], side="high_"))
    return update(rows, low_follows_at=Now(), **stamps)


def at_one_version(*, seen: Expected) -> Declared[Any]:
    stamps = {name: value for name, value in stamped(Person, ["name"]).items() if name != "version"}
    return update(person().filter(unchanged(Person, seen, ["name"])), name="x", **stamps)


def unconditioned(*, seen: Expected) -> Declared[Any]:
    """What the caller has seen is forgotten."""
    return update(person(), name="x", **stamped(Person, ["name"]))


def conditioned_on_another_group(*, seen: Expected) -> Declared[Any]:
    return update(person().filter(unchanged(Person, seen, ["bio"])), name="x", **stamped(Person, ["name"]))


def conditioned_on_no_group(*, seen: Expected) -> Declared[Any]:
    return replace(person().filter(version__gte=seen.latest), name="x", **stamped(Person, ["name"]))


def conditioned_on_a_row_beside(*, seen: Expected) -> Declared[Any]:
    """The condition is on a row that this does not write."""
    theirs = Shelf.objects.filter(unchanged(Shelf, seen, ["stories"])).values("pk")
    return update(person().filter(pk__in=theirs), name="x", **stamped(Person, ["name"]))


def deleted_unseen(*, seen: Expected) -> Declared[Any]:
    return delete(person())


def locked_unseen(*, seen: Expected) -> Declared[Any]:
    return select(person().select_for_update(no_key=True))


@pytest.mark.parametrize(
    ("declare", "says"),
    [
        (unstamped, "sets name of Person and does not stamp 'name'"),
        (stamped_otherwise, "sets name of Person and does not stamp 'name'"),
        (stamped_on_the_other_side, "sets low_follows_at of Relationship and does not stamp 'low_following'"),
        (at_one_version, "stamps name of Person and raises no version"),
        (unconditioned, "not conditioned on it"),
        (conditioned_on_another_group, "writes name of Person and is not conditioned on it"),
        (conditioned_on_no_group, "not conditioned on it"),
        (conditioned_on_a_row_beside, "not conditioned on it"),
        (deleted_unseen, "not conditioned on it"),
        (locked_unseen, "not conditioned on it"),
    ],
    ids=lambda one: getattr(one, "__name__", "-"),
)
def test_what_could_lose_a_write_is_never_compiled(declare: Declare, says: str) -> None:
    """Whoever writes it is told what is missing when it would run for the first time."""
    one = compiled(declare)
    with pytest.raises(LookupError, match=says):
        unit_of_work(lambda: one(seen=SEEN).count)
    assert one.plans == {}


def test_without_a_condition_a_write_needs_none() -> None:
    """A caller who expects nothing writes whatever has changed; what is written is stamped all the same."""
    assert unit_of_work(lambda: compiled(unconditioned)(seen=Expected(None)).count) == 0
    with pytest.raises(LookupError, match="does not stamp"):
        unit_of_work(lambda: compiled(unstamped)(seen=Expected(None)).count)


def effect_of(declared: Declared[Any]) -> Effect:
    assert declared.effect is not None
    return declared.effect


def test_the_groups_of_a_write_are_known() -> None:
    """With the prefix of their side; also those that are stamped only if something held, and those that are merged."""
    me, they = {"side": "low_"}, {"side": "high_"}
    mine = unchanged(Relationship, SEEN, ["following", "blocking"], **me)
    stamps = {**stamped(Relationship, ["following"], **me), **stamped(Relationship, ["followed"], **they)}
    of_pair = effect_of(update(pair().filter(mine), low_follows_at=Now(), **stamps))
    assert of_pair.reads == {"low_following", "low_blocking"}
    assert of_pair.writes == {"low_following", "high_followed"}
    values = {"name": "x"}
    merging = effect_of(
        replace(person().filter(mergeable(Person, values, SEEN)), **values, **stamped_when(Person, {"name": Q(bio="")}))
    )
    assert (merging.reads, merging.writes) == ({"name"}, {"name"})


def test_what_only_reads_writes_no_group() -> None:
    effect = effect_of(select(person()))
    assert (effect.reads, effect.writes, effect.sets) == (set(), set(), set())
