"""Deletes old entries of the change log, or all of them."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings

from backend.changes import pruning
from backend.management.database import DatabaseCommand


class Command(DatabaseCommand):
    """manage.py prune_changes."""

    help = "Forget entries of the change log older than CHANGES_KEPT_DAYS."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define --all."""
        parser.add_argument("--all", action="store_true", help="forget all: after restoring a backup")

    def handle(self, **options: Any) -> None:
        """Delete them in batches and print how many."""
        if options["all"]:
            pruning.empty()
            self.stdout.write("Emptied the change log: cursors of before have expired.")
            return
        deleted = pruning.prune(timedelta(days=settings.CHANGES_KEPT_DAYS))
        self.stdout.write(f"Forgot {deleted} entries.")
