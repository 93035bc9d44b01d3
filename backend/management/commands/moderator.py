"""Makes a person a moderator, or revokes it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import CommandError

from backend.management.database import DatabaseCommand
from backend.people.models import Account


class Command(DatabaseCommand):
    """manage.py moderator HANDLE [--revoke]."""

    help = "Make the person with this handle a moderator, who may look at everything in the admin."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the handle and `--revoke`."""
        parser.add_argument("handle")
        parser.add_argument("--revoke", action="store_true", help="They are a moderator no longer.")

    def handle(self, **options: Any) -> None:
        """Set it, and print the result."""
        moderator = not options["revoke"]
        handle = options["handle"]
        if not Account.objects.filter(login=handle.lower(), is_active=True).update(is_staff=moderator):
            raise CommandError(f"There is nobody with the handle {handle}.")
        self.stdout.write(f"{handle} is {'a moderator now' if moderator else 'not a moderator'}.")
