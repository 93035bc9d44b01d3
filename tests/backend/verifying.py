"""Asks `manage.py verify`, and breaks what it looks at."""

import io
import re

from django.core.management import CommandError, call_command
from django.db import connection


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        for statement in sql.split("; "):
            cursor.execute(statement)


def verified() -> tuple[str, CommandError | None]:
    """What the command said, and how it ended."""
    said = io.StringIO()
    try:
        call_command("verify", stdout=said)
    except CommandError as error:
        return said.getvalue(), error
    return said.getvalue(), None


def told_broken(said: str) -> set[str]:
    return set(re.findall(r"^(\w+) +BROKEN", said, re.MULTILINE))
