"""Hands out a bearer token for a person."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from backend.engine.transactions import unit_of_work
from backend.people.actions import new_token
from backend.people.models import Account


class Command(BaseCommand):
    """manage.py token HANDLE."""

    help = "Print a new bearer token for the person with this handle."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The handle."""
        parser.add_argument("handle")

    def handle(self, **options: Any) -> None:
        """Make the token and print it, alone on a line."""
        account = Account.objects.filter(login=options["handle"].lower(), is_active=True).first()
        if account is None:
            raise CommandError(f"There is nobody with the handle {options['handle']}.")
        self.stdout.write(unit_of_work(lambda: new_token(account)))
