"""What each mutation locks, and the field groups that it reads and writes: of the declarations that its requests have run."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from backend.engine.effects import Effect
from backend.engine.statements import DECLARATIONS
from tests.api import join
from tests.races.every_write import everything_that_writes
from tests.races.statements import Statement, recorded

NOBODY = "other"
"""The operation of what tests do themselves."""


@dataclass
class Footprint:
    """Of one mutation or job, over all of its requests; a group has the name of its table and the prefix of its side."""

    locks: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """How the rows of each table are locked."""
    reads: set[str] = field(default_factory=set)
    """The groups that a statement is conditioned on."""
    writes: set[str] = field(default_factory=set)
    """The groups that a statement stamps."""

    def add(self, statement: Statement, effect: Effect | None) -> None:
        """Count one statement in."""
        for table, how in statement.locked_how:
            self.locks[table].add(how)
        if effect is not None:
            table = effect.model._meta.db_table
            self.reads |= {f"{table}.{group}" for group in effect.reads}
            self.writes |= {f"{table}.{group}" for group in effect.writes}


@cache
def everything() -> Sequence[Statement]:
    """The statements of all mutations and jobs. Everything is done once, in an empty database."""
    with recorded() as statements:
        for write in everything_that_writes(join("asha"), join("bilal"), join("chitra")):
            write()
    return statements


@cache
def footprints() -> Mapping[str, Footprint]:
    """By mutation or job."""
    return footprints_of(everything())


def footprints_of(statements: Iterable[Statement]) -> Mapping[str, Footprint]:
    """Of these statements."""
    effects = {plan.statement.sql.decode(): plan.effect for one in DECLARATIONS for plan in one.plans.values()}
    found: dict[str, Footprint] = defaultdict(Footprint)
    for statement in statements:
        if statement.operation != NOBODY:
            found[statement.operation].add(statement, effects.get(statement.sql))
    return found
