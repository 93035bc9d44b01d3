"""What each mutation locks, reads and writes is data, derived from its declarations, and what the design promises holds of it."""

import re
from collections.abc import Mapping

import pytest
from django.apps import apps
from django.db.models import UniqueConstraint

from backend.engine.guard import is_versioned
from backend.engine.locks import lock_order
from backend.engine.statements import DECLARATIONS
from tests.races import locks
from tests.races.footprints import Footprint, everything, footprints
from tests.races.statements import EACH_WRITE
from tests.races.test_faults import UNITS
from tests.schema.mutation_fixture import CONDITIONED, FIELDS, KEYED

pytestmark = pytest.mark.django_db(transaction=True)

GUARDED = {model._meta.db_table for model in apps.get_models() if is_versioned(model)}


@pytest.fixture
def found(transactional_db: None) -> Mapping[str, Footprint]:
    return footprints()


def test_every_mutation_is_known(found: Mapping[str, Footprint]) -> None:
    """A new one has to be in the catalogue: tests/races/every_write.py, or REQUESTS of its noun."""
    assert set(FIELDS) - set(found) == set()
    assert all(one.locks and set(one.locks) <= set(lock_order()) for one in found.values())
    assert {name for name in KEYED if lock_order()[0] not in found[name].locks} <= set(UNITS), "sent without a key"


def test_a_mutation_that_expects_something_is_conditioned_on_a_group(found: Mapping[str, Footprint]) -> None:
    """And only those are. That the statement is conditioned on all that it writes was checked when it was compiled."""
    assert {name for name, one in found.items() if one.reads} == set(CONDITIONED)
    assert all(found[name].writes for name in CONDITIONED)


def test_a_versioned_row_is_updated_by_the_orm_alone(found: Mapping[str, Footprint]) -> None:
    """SQL of our own has no groups that could be checked."""
    own = [plan for one in DECLARATIONS for plan in one.plans.values() if plan.effect is None]
    assert own
    for plan in own:
        updated = [table for verb, table in EACH_WRITE.findall(plan.statement.sql.decode()) if verb == "UPDATE"]
        assert not set(updated) & GUARDED, plan.statement.sql


def keys(table: str) -> list[list[str]]:
    """The columns that say which one row of a table is meant: its key, or those of a constraint."""
    meta = next(model._meta for model in apps.get_models() if model._meta.db_table == table)
    unique = [one for one in meta.constraints if isinstance(one, UniqueConstraint) and one.condition is None]
    return [[meta.pk.column], *([meta.get_field(name).column for name in one.fields] for one in unique)]


def is_of_one_row(sql: str) -> bool:
    """Whether it compares a key of the table whose rows it locks or writes."""
    table = re.search(r'(?:UPDATE|FROM) "?(\w+)"?(?: AS (\w+))?', sql)
    assert table is not None
    compared = rf'(?:WHERE|AND) \(?(?:"?{table[2] or table[1]}"?\.)?"?(\w+)"? = \(?(?:\$|SELECT)'
    found = set(re.findall(compared, sql))
    return any(found.issuperset(key) for key in keys(table[1]))


def test_whoever_locks_several_rows_says_in_which_order(found: Mapping[str, Footprint]) -> None:
    """Two who lock the same rows, each in the order in which it finds them, may wait for each other."""
    locking = [one for one in everything() if not one.is_write and one.locked_how]
    several = {one.sql for one in locking if not is_of_one_row(one.sql)}
    assert len(several) > 5
    assert [sql for sql in several if "ORDER BY" not in sql] == []


def test_a_write_that_returns_its_row_is_of_one_row(found: Mapping[str, Footprint]) -> None:
    """It names the key: so a mutation never writes a row of the same version beside the one that it was asked to write."""
    plans = [plan.statement.sql.decode() for one in DECLARATIONS for plan in one.plans.values()]
    written = [sql for sql in plans if re.match(r"(UPDATE|DELETE).* RETURNING ", sql)]
    assert len(written) > len(CONDITIONED)
    assert [sql for sql in written if not is_of_one_row(sql)] == []


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str], found: Mapping[str, Footprint]) -> None:
    """The order, and a row for each mutation."""
    locks.show(found)
    printed = capsys.readouterr().out
    assert re.findall(r"^ *\d+ +(\w+) *$", printed, re.MULTILINE) == list(lock_order())
    for name, one in found.items():
        assert re.search(rf"^ *{name} ", printed, re.MULTILINE)
        assert all(group in printed for group in one.writes | one.reads)
