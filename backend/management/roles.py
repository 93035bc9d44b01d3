"""What the commands share that give people a role and take it back."""

from argparse import ArgumentParser
from typing import Any, ClassVar

from django.core.management import CommandError

from backend.management.database import DatabaseCommand
from backend.people.models import Account
from backend.people.naming import as_typed


class RoleCommand(DatabaseCommand):
    """manage.py ROLE HANDLE [--revoke]."""

    column: ClassVar[str]
    """The column of the account that holds the role."""
    role: ClassVar[str]
    """What somebody is who has it, with the article if it needs one."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the handle and `--revoke`."""
        parser.add_argument("handle")
        parser.add_argument("--revoke", action="store_true", help=f"They are {self.role} no longer.")

    def handle(self, **options: Any) -> None:
        """Set it, and print the result."""
        has_it, handle = not options["revoke"], as_typed(options["handle"])
        account = Account.objects.filter(login=handle.lower(), is_active=True)
        if not account.update(**{self.column: has_it}):
            raise CommandError(f"There is nobody with the handle {handle}.")
        self.stdout.write(f"{handle} is {self.role} now." if has_it else f"{handle} is not {self.role}.")
