"""Checks all invariants on live data."""

from typing import Any

from django.core.management import CommandError

from backend.engine.checks import Result
from backend.management.database import DatabaseCommand
from backend.monitoring.verify import results


class Command(DatabaseCommand):
    """manage.py verify."""

    help = "Check every invariant in one snapshot of the live data; exit with 1 if any is broken."

    def handle(self, **_options: Any) -> None:
        """Print one line for each check, with the rows that violate it."""
        found = []
        for result in results():
            self._report(result)
            found.append(result)
        broken = [result.check.name for result in found if result.broken]
        if broken:
            raise CommandError(f"{len(broken)} of {len(found)} checks found what must not be: {', '.join(broken)}")
        self.stdout.write(f"All {len(found)} checks hold.")

    def _report(self, result: Result) -> None:
        check, verdict = result.check, f"BROKEN in {result.broken}" if result.broken else "ok"
        self.stdout.write(f"{check.name:26} {verdict:>12}  of {result.among:<9} {check.says}")
        for row in result.rows:
            self.stdout.write("    " + " ".join(f"{name}={value}" for name, value in row.items()))
        if result.broken > len(result.rows):
            self.stdout.write(f"    and {result.broken - len(result.rows)} more")
