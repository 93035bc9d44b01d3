"""Sets a person's password, by the rules of every change of a password. Replaces Django's command, which revokes no tokens."""

from argparse import ArgumentParser
from getpass import getpass
from typing import Any

from django.core.management import CommandError

from backend.engine.errors import Refusal
from backend.engine.transactions import unit_of_work
from backend.management.database import DatabaseCommand
from backend.people import passwords
from backend.people.models import Account


class Command(DatabaseCommand):
    """manage.py changepassword HANDLE."""

    help = "Set a new password for the person with this handle, which ends all their tokens and sessions."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the handle."""
        parser.add_argument("handle")

    def handle(self, **options: Any) -> None:
        """Ask for the password twice, change it, and print how many tokens that revoked."""
        handle = options["handle"]
        account = Account.objects.filter(login=handle.lower(), is_active=True).first()
        if account is None:
            raise CommandError(f"There is nobody with the handle {handle}.")
        new = getpass("New password: ")
        if getpass("New password again: ") != new:
            raise CommandError("The two are not the same.")
        try:
            change = passwords.prepared_by_operator(account, new)
            revoked = unit_of_work(lambda: passwords.change(change, kept=None))
        except Refusal as refusal:
            raise CommandError(refusal.message) from None
        self.stdout.write(f"{handle} has a new password. Every session has ended; tokens revoked: {revoked}.")
