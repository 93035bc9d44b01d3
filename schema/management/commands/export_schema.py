"""Writes the contract to schema/schema.graphql, or checks that the file is up to date."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from schema.root import schema
from schema.server.health import CONTRACT


class Command(BaseCommand):
    """manage.py export_schema [--check]."""

    help = "Print the GraphQL schema into schema/schema.graphql."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add `--check`."""
        parser.add_argument("--check", action="store_true", help="Write nothing; fail if the file is out of date.")

    def handle(self, **options: Any) -> None:
        """Write or compare."""
        printed = schema.as_str() + "\n"
        if not options["check"]:
            CONTRACT.write_text(printed)
            self.stdout.write(f"Wrote {CONTRACT.name}.")
        elif not CONTRACT.exists() or CONTRACT.read_text() != printed:
            raise CommandError("schema/schema.graphql is not what the code serves. Run: manage.py export_schema")
        else:
            self.stdout.write("schema/schema.graphql is what the code serves.")
