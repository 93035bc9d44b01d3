"""No mutation builds SQL: what the ORM made of its declarations is kept, and only what is bound differs from then on."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from django.db.models.sql import compiler

from backend.engine import metrics
from backend.people.models import Person
from tests.api import join
from tests.clearing import clear
from tests.nouns import merged
from tests.races.every_write import everything_that_writes
from tests.races.statements import recorded
from tests.schema.mutation_fixture import CONDITIONED, FIELDS
from tests.schema.test_mutation_statements import WRITES, writes
from tests.writing import compilations

pytestmark = pytest.mark.django_db(transaction=True)

COMPILERS = [one for one in vars(compiler).values() if isinstance(one, type) and "as_sql" in vars(one)]
"""All by which Django makes SQL."""
OF_TESTS = "other"
"""The operation of what tests do themselves."""


@contextmanager
def compiling() -> Iterator[list[str]]:
    """Collects the mutations that have Django make SQL, which it also does for whatever it sends by itself."""
    found: list[str] = []

    def noting(make: Any) -> Any:
        def as_sql(self: Any, *arguments: Any, **named: Any) -> Any:
            found.append(metrics._OPERATION.get())
            return make(self, *arguments, **named)

        return as_sql

    with ExitStack() as stack:
        for one in COMPILERS:
            stack.enter_context(patch.object(one, "as_sql", noting(vars(one)["as_sql"])))
        yield found


def sent_by_all() -> Mapping[str, set[str]]:
    """Do all mutations, with their refusals and conflicts; the texts that each has sent."""
    clear()
    with recorded() as statements:
        for write in everything_that_writes(join("asha"), join("bilal"), join("chitra")):
            write()
        clear()
        for _, write in writes(join("indira"), join("jamal")):
            write()
    texts: dict[str, set[str]] = defaultdict(set)
    for one in statements:
        if one.operation != OF_TESTS:
            texts[one.operation].add(one.sql)
    return texts


def test_no_mutation_builds_sql_once_it_has_run(transactional_db: None) -> None:
    """Neither by the ORM nor by itself: every text was sent before, a refusal's too."""
    before = sent_by_all()
    known = compilations()
    with compiling() as compiled:
        after = sent_by_all()
    assert [name for name in compiled if name != OF_TESTS] == []
    assert compilations() == known
    assert set(FIELDS) <= set(after), "a mutation that is not done here: see tests/races/every_write.py"
    for name, texts in after.items():
        assert texts <= before[name], name


def test_every_conflict_is_among_them() -> None:
    """Explaining one is on the way of a mutation too. A noun's mutations are each sent twice."""
    met = {name.partition(",")[0] for name, (answer, _) in WRITES.items() if answer == "ConflictError"}
    assert met | set(merged("REQUESTS")) >= set(CONDITIONED)


def test_what_django_sends_by_itself_is_noticed(transactional_db: None) -> None:
    """Whatever it is."""
    with compiling() as compiled, metrics.operation("follow"):
        assert not Person.objects.exists()
        Person.objects.filter(handle="x").update(name="y")
    assert compiled.count("follow") >= 2
