"""No statement reads a long condition: a session plans it once, as a function, and it refuses the same."""

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction

from backend.engine.planned_check import PlannedCheck
from backend.stories.models import Story
from tests.races.rows import crowd, query

pytestmark = pytest.mark.django_db

LONG = 1_200
"""Characters of a parsed condition. To read so many takes longer than to call a function."""
PLANNED = [
    (model, one) for model in apps.get_models() for one in model._meta.constraints if isinstance(one, PlannedCheck)
]


def test_no_check_is_long() -> None:
    """But for the call of its function, which has a parameter for each column."""
    found = query(
        f"SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0 AND length(conbin::text) > {LONG} "
        "AND NOT starts_with(pg_get_constraintdef(oid), 'CHECK (' || conname || '(')"
    )
    assert found == []


@pytest.mark.parametrize(("model", "check"), PLANNED, ids=lambda one: getattr(one, "name", ""))
def test_a_planned_check_goes_and_comes_with_its_function(model: type, check: PlannedCheck) -> None:
    """As migrations drop and create it."""
    function = f"SELECT prosrc FROM pg_proc WHERE proname = '{check.name}'"
    constraint = f"SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = '{check.name}'"
    before = query(function), query(constraint)
    assert all(before)
    with connection.schema_editor() as editor:
        editor.remove_constraint(model, check)
        assert (query(function), query(constraint)) == ([], [])
        editor.add_constraint(model, check)
    assert (query(function), query(constraint)) == before


def test_a_planned_check_is_told_by_its_name() -> None:
    """Like any other CHECK: which one a row has failed is what answers are made of."""
    (author,) = crowd(1)
    with pytest.raises(IntegrityError, match="story_warnings_are_known"), transaction.atomic():
        Story.objects.create(author=author, title="The well", warnings=["UNHEARD_OF"])


def test_another_class_is_another_constraint() -> None:
    """So that `makemigrations` sees that a condition has moved into a function."""
    check = PLANNED[0][1]
    assert check != check.__class__.__base__(name=check.name, condition=check.condition)
    assert check == PlannedCheck(name=check.name, condition=check.condition)
