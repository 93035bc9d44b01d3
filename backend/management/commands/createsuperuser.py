"""Replaces Django's command, which would make an account without a person and past the rules for passwords."""

from typing import Any

from django.core.management import BaseCommand, CommandError


class Command(BaseCommand):
    """manage.py createsuperuser: says how to give somebody rights instead."""

    help = "There are no superusers: see manage.py staff and manage.py moderator."

    def handle(self, **_options: Any) -> None:
        """Say so."""
        raise CommandError(
            "There are no superusers. Sign up, then run manage.py staff HANDLE or manage.py moderator HANDLE."
        )
