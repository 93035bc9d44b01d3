"""Runs all checks on a database in one snapshot."""

from collections.abc import Iterator

from django.db import connection

from backend.engine.checks import Check, Result, run
from backend.engine.transactions import snapshot
from backend.monitoring.guards import checks
from backend.monitoring.invariants import INVARIANTS


def every_check() -> list[Check]:
    """All checks: of the rows, then of triggers and constraints."""
    return [*INVARIANTS, *checks()]


def results() -> Iterator[Result]:
    """The result of each check. Writes may go on: a snapshot contains whole units of work only."""
    with snapshot():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0")  # a large database takes longer
        for check in every_check():
            yield run(check)
