"""The trigger below the ORM: a write that forgot its version cannot exist, wherever it comes from."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import IntegrityError, connection, models, transaction

from backend.changes.models import Change
from backend.engine.guard import VersionGuard, guard_of, is_versioned
from backend.moderation.models import Evidence
from backend.people.models import Person
from backend.social.models import Relationship
from backend.stories.models import Chapter, Revision
from tests.engine.samples import samples
from tests.races.rows import crowd, query, scalar

pytestmark = pytest.mark.django_db

VERSIONED = [model for model in apps.get_models() if is_versioned(model)]
SIDES = [(model, side) for model in VERSIONED for side in guard_of(model).sides]
GROUPS = [(model, side, group) for model, side in SIDES for group in guard_of(model).sides[side]]
FIELDS = [(*where, field) for where in GROUPS for field in guard_of(where[0]).sides[where[1]][where[2]]]
FIXED = [(model, field) for model in VERSIONED for field in guard_of(model).fixed]

VALUES = {
    models.UUIDField: "'01890000-0000-7000-8000-000000000000'",
    models.ForeignKey: "'01890000-0000-7000-8000-000000000000'",
    models.OneToOneField: "'01890000-0000-7000-8000-000000000000'",
    models.DateTimeField: "'2001-01-01'",
    models.DateField: "'2001-01-01'",
    models.BooleanField: "true",
    models.PositiveIntegerField: "77",
    models.IntegerField: "77",
    models.BigIntegerField: "77",
    ArrayField: "'{GORE}'",
    models.JSONField: "'true'",
}


def name_of(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else str(value)


@pytest.fixture
def rows(db: None) -> None:
    """One row of each versioned model."""
    one, other = sorted(crowd(2), key=lambda person: person.pk)
    for row in samples(one, other):
        type(row)._base_manager.bulk_create([row])


def change(model: type[models.Model], *sets: str) -> None:
    """A raw UPDATE of all rows, as somebody in psql would send it."""
    with connection.cursor() as cursor:
        cursor.execute(f'UPDATE "{model._meta.db_table}" SET {", ".join(sets)}')


def assert_refused(model: type[models.Model], *sets: str) -> None:
    untouched = query(f'SELECT * FROM "{model._meta.db_table}"')
    assert untouched
    with pytest.raises(IntegrityError, match="must raise its version by one"), transaction.atomic():
        change(model, *sets)
    assert query(f'SELECT * FROM "{model._meta.db_table}"') == untouched


def new_value(model: type[models.Model], field: str) -> str:
    """An assignment that changes a field."""
    column = model._meta.get_field(field)
    if isinstance(column, ArrayField) and isinstance(column.base_field, models.UUIDField):
        return f'"{column.column}" = ARRAY[{VALUES[models.UUIDField]}]::uuid[]'
    return f'"{column.column}" = {VALUES.get(type(column), chr(39) + "changed" + chr(39))}'


def raised(side: str) -> str:
    return f"{side}version = {side}version + 1"


# --- Completeness ---------------------------------------------------------------------------------------------


def test_every_model_with_a_version_is_guarded() -> None:
    """A table with a version and no trigger would be the one that loses a write."""
    with_version = {
        model for model in apps.get_models() if any(f.name.endswith("version") for f in model._meta.concrete_fields)
    } - {Revision, Evidence, Change}  # which are never updated at all
    assert with_version == set(VERSIONED)
    guards = {guard_of(model).name for model in VERSIONED}
    found = {name for (name,) in query("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O'")}
    assert len(guards) == len(VERSIONED)
    assert guards <= found


@pytest.mark.parametrize("model", VERSIONED, ids=name_of)
def test_every_field_is_in_a_group_or_fixed(model: type[models.Model]) -> None:
    """A new field that is in no group could change without its readers knowing."""
    guard = guard_of(model)
    expected = {*guard.fixed, *guard.stamps}
    for side, groups in guard.sides.items():
        expected |= {f"{side}version", f"{side}updated_at", *(f"{side}{group}_changed" for group in groups)}
        expected |= {field for of in groups.values() for field in of}
    assert {field.name for field in model._meta.concrete_fields} == expected


# --- What is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "side", "group", "field"), FIELDS, ids=name_of)
def test_an_unversioned_update_of_any_field_is_refused(
    rows: None, model: type[models.Model], side: str, group: str, field: str
) -> None:
    """In psql, in a script, in the admin: content does not change behind a version's back."""
    assert_refused(model, new_value(model, field))


@pytest.mark.parametrize(("model", "side", "group", "field"), FIELDS, ids=name_of)
def test_a_change_must_stamp_its_group(
    rows: None, model: type[models.Model], side: str, group: str, field: str
) -> None:
    """A version that rises without its stamp would let a write that has not seen the change through."""
    assert_refused(model, new_value(model, field), *map(raised, guard_of(model).sides))


@pytest.mark.parametrize(("model", "side"), SIDES, ids=name_of)
@pytest.mark.parametrize("step", ["+ 2", "- 1", "+ 1000"])
def test_a_version_moves_by_exactly_one(rows: None, model: type[models.Model], side: str, step: str) -> None:
    """A version is never skipped, lowered or used again."""
    assert_refused(model, f"{side}version = {side}version {step}")


@pytest.mark.parametrize(("model", "side", "group"), GROUPS, ids=name_of)
@pytest.mark.parametrize("forged", ["{0} - 1", "{0} + 1", "{0} + 5"])
def test_a_stamp_cannot_be_forged(rows: None, model: type[models.Model], side: str, group: str, forged: str) -> None:
    """A stamp is the version of the write that set it: not an older one, not a later one, not without a write."""
    stamp = f"{side}{group}_changed"
    assert_refused(model, f"{stamp} = {forged.format(stamp)}")
    if forged != "{0} + 1":
        assert_refused(model, f"{stamp} = {forged.format(stamp)}", raised(side))


@pytest.mark.parametrize(("model", "side"), SIDES, ids=name_of)
def test_the_date_of_a_write_belongs_to_a_write(rows: None, model: type[models.Model], side: str) -> None:
    """When something last changed cannot be changed alone."""
    assert_refused(model, f"{side}updated_at = '2001-01-01'")


@pytest.mark.parametrize(("model", "field"), FIXED, ids=name_of)
def test_what_is_fixed_does_not_change(rows: None, model: type[models.Model], field: str) -> None:
    """An id, an owner, a handle: not even with a proper version."""
    assert_refused(model, new_value(model, field), *map(raised, guard_of(model).sides))


@pytest.mark.parametrize("model", VERSIONED, ids=name_of)
def test_saving_a_model_is_refused(rows: None, model: type[models.Model]) -> None:
    """Read, change and save is how writes get lost, so it does not work, not even by mistake."""
    field = guard_of(model).sides[next(iter(guard_of(model).sides))]
    name = next(name for names in field.values() for name in names)
    row = model.objects.first()
    kind = model._meta.get_field(name)
    setattr(row, kind.attname, "changed" if isinstance(kind, models.CharField) else _other(kind, row))
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()


def _other(kind: models.Field, row: models.Model) -> Any:
    """A value that differs from the row's."""
    if isinstance(kind, models.ForeignKey):
        return Chapter.objects.get().pk
    if isinstance(kind, models.BooleanField):
        return not getattr(row, kind.attname)
    return "2001-01-01T00:00Z" if isinstance(kind, models.DateTimeField) else 77


def test_what_one_side_sees_cannot_change_without_its_version(rows: None) -> None:
    """A follow is seen by both: raising only the follower's version would leave the followed with a stale one."""
    mine = ["low_follows_at = now()", "low_version = low_version + 1", "low_following_changed = low_version + 1"]
    theirs = ["high_version = high_version + 1", "high_followed_changed = high_version + 1"]
    assert_refused(Relationship, *mine)
    change(Relationship, *mine, *theirs)
    assert query("SELECT low_version, high_version FROM social_relationship") == [(1, 1)]


def test_a_hidden_change_leaves_the_other_side_alone(rows: None) -> None:
    """A block moves the blocker's version only."""
    change(
        Relationship, "low_blocks_at = now()", "low_version = low_version + 1", "low_blocking_changed = low_version + 1"
    )
    assert query("SELECT low_version, high_version FROM social_relationship") == [(1, 0)]


# --- What goes through ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", VERSIONED, ids=name_of)
def test_an_update_that_changes_nothing_goes_through(rows: None, model: type[models.Model]) -> None:
    """The guard looks at content; a statement that leaves every row as it was has lost nothing."""
    column = model._meta.pk.column
    change(model, f'"{column}" = "{column}"')


@pytest.mark.parametrize(("model", "side", "group"), GROUPS, ids=name_of)
def test_a_proper_write_goes_through(rows: None, model: type[models.Model], side: str, group: str) -> None:
    """The version rises by one and the group carries it."""
    stamp = f"{side}{group}_changed"
    before_it = scalar(f'SELECT max({side}version) FROM "{model._meta.db_table}"')
    change(model, raised(side), f"{stamp} = {side}version + 1")
    assert query(f'SELECT {side}version, {stamp} FROM "{model._meta.db_table}"') == [(before_it + 1, before_it + 1)] * (
        model.objects.count()
    )


def test_no_update_reads_a_condition_that_it_cannot_meet() -> None:
    """PostgreSQL reads the text of a WHEN anew for each statement that can fire the trigger: a third of a follow's work."""
    conditions = (
        "FROM pg_trigger WHERE NOT tgisinternal AND tgqual IS NOT NULL AND tgtype & 16 <> 0 "
        "AND tgrelid::regclass::text !~ '^procrastinate'"
    )
    assert query(f"SELECT tgname {conditions} AND tgattr[0] IS NULL") == []
    assert len(query(f"SELECT tgname {conditions}")) > 5


def test_a_guard_is_part_of_the_migrations() -> None:
    """Two guards are the same if they say the same, so that a changed one is migrated."""
    guard = guard_of(Person)
    path, args, kwargs = guard.deconstruct()
    assert path == "backend.engine.guard.VersionGuard"
    assert VersionGuard(*args, **kwargs) == guard
    assert VersionGuard(*args, **{**kwargs, "fixed": ()}) != guard
