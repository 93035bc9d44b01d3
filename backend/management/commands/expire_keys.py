"""Deletes old idempotency keys."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from backend.engine.idempotency import forget_keys
from backend.management.database import DatabaseCommand


class Command(DatabaseCommand):
    """manage.py expire_keys."""

    help = "Forget idempotency keys older than IDEMPOTENCY_KEY_DAYS."

    def handle(self, **_options: Any) -> None:
        """Delete them in batches and print how many."""
        before = timezone.now() - timedelta(days=settings.IDEMPOTENCY_KEY_DAYS)
        self.stdout.write(f"Forgot {forget_keys(before)} keys.")
