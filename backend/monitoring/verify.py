"""Asks a database whether everything holds that Katha promises, all of it in one snapshot."""

from collections.abc import Iterator

from django.db import connection

from backend.engine.checks import Check, Result, run
from backend.engine.transactions import snapshot
from backend.monitoring.guards import checks
from backend.monitoring.invariants import INVARIANTS


def every_check() -> list[Check]:
    """All checks: of the rows, then of the guards around them."""
    return [*INVARIANTS, *checks()]


def results() -> Iterator[Result]:
    """What each check finds, while writes go on: a snapshot holds whole units of work, or nothing of them."""
    with snapshot():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0")  # a large database takes longer than a request may
        for check in every_check():
            yield run(check)
