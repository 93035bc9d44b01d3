"""The triggers below the ORM: rows that are counted, totalled or kept as history go only where code says that it removes them."""

from datetime import date
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction

from backend.engine.removal import RemovalGuard, is_removal_guarded, removing
from backend.moderation.digest import tell_moderators
from backend.people.models import Person
from backend.reading.models import View
from backend.whispers.models import Screening
from tests.api.moderation import screen_for
from tests.departure_fixture import leave, live
from tests.nouns import collect
from tests.races.rows import query, scalar
from tests.races.statements import recorded
from tests.worlds import MadeOnce
from tests.writing import remove, remove_all

KEPT = [model for model in apps.get_models() if is_removal_guarded(model)]
FIXED = [
    (model, field)
    for model in KEPT
    for field in next(guard for guard in model._meta.constraints if isinstance(guard, RemovalGuard)).fixed
]


def name_of(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else str(value)


@pytest.fixture(scope="module")
def world(made_once: MadeOnce) -> None:
    """A row of each table, one of them of somebody who has left."""
    made_once(rows)


def rows() -> None:
    life = live()
    for more in collect("kept_rows"):
        more(life)
    screen_for("FLAG", "gore")
    life.bilal.create_whisper("gore")
    Screening.objects.create(policy=0)
    tell_moderators(date(2020, 1, 1))
    leave(life.asha)


@pytest.fixture
def table(world: None, request: pytest.FixtureRequest) -> Any:
    """What a test does to a table is rolled back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def refused(sql: str, message: str) -> None:
    with pytest.raises(IntegrityError, match=message), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.parametrize("model", KEPT, ids=name_of)
def test_a_delete_below_the_orm_is_refused(table: None, model: type[models.Model]) -> None:
    """In psql, in a script, in the admin; of one row, of all, and by TRUNCATE."""
    name = model._meta.db_table
    assert scalar(f'SELECT count(*) FROM "{name}"') > 0, "there is no row of it to try"
    refused(f'DELETE FROM "{name}"', "are kept")
    refused(f'DELETE FROM "{name}" WHERE ctid = (SELECT ctid FROM "{name}" LIMIT 1)', "are kept")
    refused(f'TRUNCATE "{name}" CASCADE', "are kept")


@pytest.mark.parametrize("model", KEPT, ids=name_of)
def test_deleting_by_django_is_refused(table: None, model: type[models.Model]) -> None:
    """A queryset's own delete() says nothing of totals."""
    with pytest.raises(IntegrityError, match="are kept"), transaction.atomic():
        model._base_manager.all()._raw_delete("default")


@pytest.mark.parametrize("model", KEPT, ids=name_of)
def test_removing_goes_through(table: None, model: type[models.Model]) -> None:
    """What the house removes, in the one statement that removes it."""
    count = model._base_manager.count()
    with recorded() as statements:
        assert remove_all(model._base_manager.all()) == count > 0
    assert len(statements) == 1


@pytest.mark.parametrize("model", [model for model in KEPT if len(model._meta.pk_fields) == 1], ids=name_of)
def test_removing_and_returning_goes_through(table: None, model: type[models.Model]) -> None:
    """As a conditioned delete does it."""
    count = model._base_manager.count()
    assert len(remove(model._base_manager.all())) == count > 0


@pytest.mark.parametrize(("model", "field"), FIXED, ids=name_of)
def test_what_a_row_was_made_as_stays(table: None, model: type[models.Model], field: str) -> None:
    """A counted row that moved to another subject would leave both totals wrong; history is not rewritten."""
    name, column = model._meta.db_table, model._meta.get_field(field)
    other = "gen_random_uuid()" if isinstance(column, models.UUIDField) else "NULL"
    refused(f'UPDATE "{name}" SET "{column.column}" = {other}', "stays what it was made as")
    with connection.cursor() as cursor:
        cursor.execute(f'UPDATE "{name}" SET "{column.column}" = "{column.column}"')


def test_the_number_of_the_policy_is_kept(table: None) -> None:
    """It has a table and no model. Without it no whisper could be screened."""
    refused("DELETE FROM whispers_policyversion", "are kept")
    refused("TRUNCATE whispers_policyversion", "are kept")


def test_a_mark_opens_one_table_for_one_transaction(world: None) -> None:
    """Neither another table nor a later transaction on the same connection."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM reading_view WHERE {removing('reading_view')}")
        cursor.execute("DELETE FROM reading_view")
        refused("DELETE FROM reading_reading", "are kept")
        refused("DELETE FROM stories_storytally", "are kept")
        transaction.set_rollback(True)
    refused("DELETE FROM reading_view", "are kept")
    with transaction.atomic():
        with transaction.atomic():
            remove_all(View.objects.all())
            transaction.set_rollback(True)
        refused("DELETE FROM reading_view", "are kept")


def test_a_condition_that_fails_removes_nothing_and_is_no_error(table: None) -> None:
    """Only rows that would go are looked at."""
    assert remove_all(Person.objects.filter(handle="nobody")) == 0
    assert query("DELETE FROM people_person WHERE handle = 'nobody' RETURNING 1") == []


def test_a_guard_is_part_of_the_migrations() -> None:
    """Two guards are the same if they say the same, so that a changed one is migrated."""
    guard = RemovalGuard(name="one", fixed=["id"])
    path, args, kwargs = guard.deconstruct()
    assert path == "backend.engine.removal.RemovalGuard"
    assert RemovalGuard(*args, **kwargs) == guard != RemovalGuard(name="one")
