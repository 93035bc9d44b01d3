"""Deletes the oldest revisions of stories and chapters."""

from typing import Any

from django.conf import settings

from backend.management.database import DatabaseCommand
from backend.stories.revisions import prune


class Command(DatabaseCommand):
    """manage.py prune_revisions."""

    help = "Forget the oldest revisions of each story and chapter, beyond REVISIONS_KEPT or REVISION_CHARACTERS."

    def handle(self, **_options: Any) -> None:
        """Delete them in batches and print how many."""
        pruned = prune(kept=settings.REVISIONS_KEPT, characters=settings.REVISION_CHARACTERS)
        self.stdout.write(f"Forgot {pruned} revisions.")
