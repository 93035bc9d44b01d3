"""Lists the rows with the most write conflicts."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand
from rich.console import Console
from rich.table import Table

from backend.engine.conflicts import ConflictCount, most_frequent
from backend.monitoring.folder import folders


class Command(BaseCommand):
    """manage.py conflicts [--limit N]."""

    help = "List the things and fields with the most conflicts since the server started."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add `--limit`."""
        parser.add_argument("--limit", type=int, default=20)

    def handle(self, **options: Any) -> None:
        """Print the table."""
        found = most_frequent(folders(settings.DATA))[: max(0, options["limit"])]
        if not found:
            self.stdout.write("No conflicts since the server started, or no server runs over these data.")
            return
        console = Console(width=140)
        with console.capture() as printed:
            console.print(_table(found))
        self.stdout.write(printed.get())


def _table(found: list[ConflictCount]) -> Table:
    table = Table("conflicts", "type", "key", "fields", "last", box=None)
    for one in found:
        last = datetime.fromtimestamp(one.last_at, UTC).isoformat(timespec="seconds")
        table.add_row(str(one.conflicts), one.type, " ".join(one.keys), ", ".join(one.fields) or "–", last)
    return table
