"""Creates a bearer token for a person."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import CommandError

from backend.engine.transactions import unit_of_work
from backend.management.database import DatabaseCommand
from backend.people.actions import new_token
from backend.people.models import Account


class Command(DatabaseCommand):
    """manage.py token HANDLE."""

    help = "Print a new bearer token for the person with this handle."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the handle."""
        parser.add_argument("handle")

    def handle(self, **options: Any) -> None:
        """Create the token and print it on a line of its own."""
        token = unit_of_work(lambda: _token_of(options["handle"].lower()))
        if token is None:
            raise CommandError(f"There is nobody with the handle {options['handle']}.")
        self.stdout.write(token)


def _token_of(login: str) -> str | None:
    """A new token for the account. The account is locked, so that one that is being deleted gets no token after its
    others were revoked.
    """
    account = Account.objects.filter(login=login, is_active=True).select_for_update(no_key=True).first()
    return None if account is None else new_token(account)
