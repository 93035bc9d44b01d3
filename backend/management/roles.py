"""What the commands share that give people a role and take it back."""

from argparse import ArgumentParser
from typing import Any, ClassVar

from django.core.management import CommandError

from backend.management.database import DatabaseCommand
from backend.people.models import Account
from backend.people.naming import as_typed


class RoleCommand(DatabaseCommand):
    """manage.py ROLE HANDLE [--remove]."""

    column: ClassVar[str]
    """The column of the account that holds the role."""
    role: ClassVar[str]
    """What somebody is who has it, with the article if it needs one."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the handle and `--remove`, which was called `--revoke`."""
        parser.add_argument("handle")
        parser.add_argument("--remove", "--revoke", action="store_true", help=f"They are {self.role} no longer.")

    def handle(self, **options: Any) -> None:
        """Give the role or take it back, and say whether anything has changed."""
        gives, handle = not options["remove"], as_typed(options["handle"])
        account = Account.objects.filter(login=handle.lower(), is_active=True)
        if account.filter(**{self.column: not gives}).update(**{self.column: gives}):
            self.stdout.write(f"{handle} is {self.role} {'now' if gives else 'no longer'}.")
        elif account.exists():
            self.stdout.write(f"{handle} is {self.role} already." if gives else f"{handle} is not {self.role}.")
            self.stdout.write("Nothing has changed.")
        else:
            raise CommandError(f"There is nobody with the handle {handle}. Nothing has changed.")
