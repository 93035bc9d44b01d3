"""Declarations: compiled once for each shape, and nothing that is bound changes what a statement does."""

import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import DataError, connection, models, transaction
from django.db.models import F, Q
from django.db.models.sql.compiler import SQLCompiler

from backend.engine.declarations import (
    AtKey,
    IsAny,
    delete,
    insert,
    insert_all,
    query,
    replace,
    select,
    update,
    update_all,
)
from backend.engine.ids import uuid7
from backend.engine.models import IdempotencyKey
from backend.engine.statements import Declared, Json, Values, compiled
from backend.engine.transactions import unit_of_work
from backend.engine.versions import Expected, mergeable, stamped, unchanged
from backend.people.models import Person, PersonTally
from backend.stories.models import Story, StoryStatus
from tests.races.rows import crowd, scalar
from tests.races.rows import query as rows_of

pytestmark = pytest.mark.django_db(transaction=True)


@compiled
def _rename(*, person: uuid.UUID, name: str, seen: Expected) -> Declared[Person]:
    return update(
        Person.objects.filter(unchanged(Person, seen, ["name"]), pk=person), name=name, **stamped(Person, ["name"])
    )


@compiled
def _set(*, person: uuid.UUID, values: Values, seen: Expected) -> Declared[Person]:
    clean = mergeable(Person, values, seen)
    return replace(Person.objects.filter(~Q(**values), clean, pk=person), **values, **stamped(Person, values))


@compiled
def _people(*, ids: list[uuid.UUID]) -> Declared[Person]:
    return select(Person.objects.filter(IsAny("pk", ids)).order_by("pk"))


def test_a_shape_is_compiled_once() -> None:
    """However often it runs, and whatever is bound; no SQL is made after the first time."""
    _rename.plans.clear()
    (person,) = crowd(1)
    for seen in (Expected(1), Expected(1, own=(2,)), Expected(None)):
        unit_of_work(lambda seen=seen: _rename(person=person.pk, name="x", seen=seen).rows)
    assert len(_rename.plans) == 3
    with patch.object(SQLCompiler, "compile", side_effect=AssertionError("compiled again")):
        for version in range(3, 9):
            unit_of_work(lambda version=version: _rename(person=person.pk, name="y", seen=Expected(version)).rows)
            own = Expected(1, own=(version,))
            unit_of_work(lambda own=own: _rename(person=uuid7(), name="y", seen=own).rows)
    assert len(_rename.plans) == 3


@pytest.mark.parametrize(
    ("seen", "written"),
    [
        (Expected(None), True),
        (Expected(1), False),
        (Expected(2), False),
        (Expected(3), True),
        (Expected(4), False),
        (Expected(1, own=(3,)), True),
        (Expected(1, own=(2,)), False),
        (Expected(2, own=(3, 4)), False),
    ],
)
def test_the_condition_that_is_bound_decides(seen: Expected, *, written: bool) -> None:
    """The row is at version 3, by a write to its name: whoever has not seen that writes nothing."""
    (person,) = crowd(1)
    for _ in range(2):
        unit_of_work(lambda: _rename(person=person.pk, name="a", seen=Expected(None)).rows)
    row = unit_of_work(lambda: _rename(person=person.pk, name="b", seen=seen).row)
    assert (row is not None) == written
    assert rows_of("SELECT name, version FROM people_person") == [("b", 4) if written else ("a", 3)]


def test_values_have_the_shape_of_their_names() -> None:
    _set.plans.clear()
    (person,) = crowd(1)

    def set_values(values: dict[str, Any], seen: Expected) -> Any:
        return unit_of_work(lambda: _set(person=person.pk, values=Values(Person, values), seen=seen).row)

    row = set_values({"bio": "one"}, Expected(1))
    assert (row.bio, row.version, row.before["bio"]) == ("one", 2, "")
    row = set_values({"bio": "two", "show_mature": True}, Expected(2))
    assert (row.bio, row.show_mature, row.before["show_mature"]) == ("two", True, False)
    assert set_values({"bio": "three"}, Expected(2)) is None
    assert set_values({"bio": "two"}, Expected(1)) is None
    assert {shape[0] for shape in _set.plans} == {("bio",), ("bio", "show_mature")}


def test_a_text_is_never_cut_to_its_columns_length() -> None:
    """PostgreSQL cuts what is cast to varchar(n) silently; what is too long has to be an error."""
    (person,) = crowd(1)
    with pytest.raises(Exception, match="too long"), transaction.atomic():
        _ = _rename(person=person.pk, name="n" * 1_000, seen=Expected(None)).rows
    with pytest.raises(Exception, match="too long"), transaction.atomic():
        _ = _set(person=person.pk, values=Values(Person, {"name": "n" * 1_000}), seen=Expected(None)).rows


def test_a_text_is_never_cut_at_a_nul() -> None:
    (person,) = crowd(1)
    with pytest.raises(DataError):
        unit_of_work(lambda: _rename(person=person.pk, name="Asha\0", seen=Expected(None)).row)
    assert scalar("SELECT name FROM people_person") == person.name


@pytest.mark.parametrize(
    "name", ["", "100%", "%s", "$1", "'; --", 'a "quote"', "back\\slash", "née 🎉", "{a,b}", "NULL"]
)
def test_what_is_bound_is_never_sql(name: str) -> None:
    (person,) = crowd(1)
    row = unit_of_work(lambda: _rename(person=person.pk, name=name, seen=Expected(None)).row)
    assert row is not None
    assert (row.name, scalar("SELECT name FROM people_person")) == (name, name)


@compiled
def _told(
    *,
    number: int,
    is_so: bool,
    at: datetime,
    day: date,
    pause: timedelta,
    raw: bytes,
    ids: list[uuid.UUID],
    words: list[str],
    values: Json,
    nothing: str | None,
) -> Declared[Any]:
    return query(
        "SELECT %(number)s, %(is_so)s, %(at)s, %(day)s, %(pause)s, %(raw)s, %(ids)s, %(words)s, %(values)s ->> 'a', "
        "%(nothing)s, 5 %% 3, 'x'",
        number=number,
        is_so=is_so,
        at=at,
        day=day,
        pause=pause,
        raw=raw,
        ids=ids,
        words=words,
        values=values,
        nothing=nothing,
    )


def test_every_type_comes_back_as_it_was_bound() -> None:
    at, ids = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC), [uuid7(), uuid7()]
    day, words = at.date(), ['"', "\\", "{", "a,b", "", "NULL"]
    pauses = timedelta(0), timedelta(days=40, microseconds=1), timedelta(microseconds=-1)
    for pause, nothing in zip(pauses, (None, "", None), strict=True):
        found = _told(
            number=2**40,
            is_so=False,
            at=at,
            day=day,
            pause=pause,
            raw=b"\0\xff",
            ids=ids,
            words=words,
            values={"a": "é"},
            nothing=nothing,
        ).row
        assert found == (2**40, False, at, day, pause, b"\0\xff", ids, words, "é", nothing, 2, "x")


def test_any_number_of_ids_is_one_statement() -> None:
    people = crowd(3)
    for count in (0, 1, 3):
        wanted = [person.pk for person in people[:count]]
        assert [one.pk for one in _people(ids=wanted).rows] == sorted(wanted)
    assert len(_people.plans) == 1


@compiled
def _take(*, ids: list[uuid.UUID], counts: list[int]) -> Declared[Any]:
    return update_all(
        PersonTally.objects.filter(IsAny("subject_id", ids)), count=F("count") - AtKey(ids, counts, F("subject_id"))
    )


@compiled
def _tally(*, subject: uuid.UUID, count: int) -> Declared[PersonTally]:
    return insert(PersonTally, ["subject", "kind", "slot"], subject=subject, kind="followers", slot=0, count=count)


def test_each_row_gets_the_value_at_its_key() -> None:
    one, other, third = (person.pk for person in crowd(3))

    def work() -> int:
        for person in (one, other, third):
            _tally(subject=person, count=100)
        return _take(ids=[other, one], counts=[1, 20]).count

    assert unit_of_work(work) == 2
    found = dict(rows_of("SELECT subject_id, count FROM people_persontally"))
    assert found == {one: 80, other: 99, third: 100}


def test_an_insert_meets_a_row_with_its_key() -> None:
    (person,) = crowd(1)
    assert unit_of_work(lambda: _tally(subject=person.pk, count=1).row) is not None
    assert unit_of_work(lambda: _tally(subject=person.pk, count=2).row) is None
    assert scalar("SELECT count FROM people_persontally") == 1


@compiled
def _tallies(*, rows: Json) -> Declared[PersonTally]:
    return insert_all(PersonTally, ["subject", "kind", "slot", "count"], rows)


def test_many_rows_are_inserted_by_one_statement() -> None:
    people = crowd(3)
    for slot, count in enumerate((0, 1, 3)):
        rows = [{"subject_id": one.pk, "kind": "followers", "slot": slot, "count": 7} for one in people[:count]]
        assert len(unit_of_work(lambda rows=rows: _tallies(rows=rows).rows)) == count
    assert len(_tallies.plans) == 1
    assert scalar("SELECT sum(count) FROM people_persontally") == 28


def test_a_default_that_differs_from_row_to_row_has_to_be_named() -> None:
    """Otherwise every row would have the id that was made when the statement was compiled."""
    with pytest.raises(LookupError, match="id"):
        insert(Story, author_id=uuid7(), title="T")
    with pytest.raises(LookupError, match="no column"):
        insert(Person, handle="x", nonsense=1)


def test_a_constant_is_part_of_the_statement() -> None:
    """So an index on a status can be used, and the value of an enum is meant."""
    stories = select(Story.objects.filter(status=StoryStatus.PUBLISHED))
    assert stories.run().rows == []
    plan = compiled(lambda: stories)  # type: ignore[misc]
    assert plan().rows == []
    (of,) = plan.plans.values()
    assert b"'PUBLISHED'" in of.statement.sql


def test_a_write_outside_of_a_unit_of_work_is_refused() -> None:
    (person,) = crowd(1)
    with pytest.raises(RuntimeError, match="unit_of_work"):
        _rename(person=person.pk, name="x", seen=Expected(None))
    with pytest.raises(RuntimeError, match="unit_of_work"):
        delete(IdempotencyKey.objects.all()).run()


def test_values_list_gives_tuples_and_an_annotation_is_an_attribute() -> None:
    (person,) = crowd(1)
    assert select(Person.objects.values_list("pk", "version")).run().rows == [(person.pk, 1)]
    (row,) = select(Person.objects.annotate(next=F("version") + 1)).run().rows
    assert (row.pk, row.next) == (person.pk, 2)


def test_json_comes_back_as_json() -> None:
    (person,) = crowd(1)
    made = models.functions.Now()  # type: ignore[attr-defined]
    reply = {"a": [1, None, "é"]}

    def work() -> Any:
        key = insert(
            IdempotencyKey, person_id=person.pk, key=uuid7(), fingerprint=b"\x01", reply=reply, created_at=made
        )
        return key.run().row

    row = unit_of_work(work)
    assert (row.reply, bytes(row.fingerprint)) == (reply, b"\x01")
    assert connection.in_atomic_block is False
