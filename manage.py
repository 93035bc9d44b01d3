#!/usr/bin/env python
"""The command line of Katha: `manage.py help` lists the commands."""

import os
import sys
from contextlib import nullcontext

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from backend.embedded import EmbeddedError, kept_running, running
from backend.management.database import unusable
from backend.monitoring.folder import open_folder

WITHOUT_DATABASE = {"help", "version", "export_schema", "collectstatic", "conflicts", "test"}
STAY = {"serve", "worker"}
"""Commands that run until they are told to stop: the embedded PostgreSQL is kept running under them."""


def main(arguments: list[str]) -> None:
    """Run a command. What keeps it from running (settings, PostgreSQL) is said in one sentence."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
    try:
        _run(arguments)
    except (EmbeddedError, ImproperlyConfigured) as error:
        sys.exit(f"Katha: {error}")
    except Exception as error:
        reason = unusable(error)
        if reason is None:
            raise
        sys.exit(f"Katha: {reason}")


def _run(arguments: list[str]) -> None:
    command = next((word for word in arguments[1:] if not word.startswith("-")), "help")
    asks_for_help = not {"-h", "--help"}.isdisjoint(arguments)
    if command == "serve" and not asks_for_help:
        open_folder(settings.DATA)  # before anything imports prometheus_client
    needed = settings.EMBEDDED is not None and command not in WITHOUT_DATABASE and not asks_for_help
    use = kept_running if command in STAY else running
    with use(settings.EMBEDDED, durable=True, report=_report) if needed else nullcontext():
        execute_from_command_line(arguments)


def _report(line: str) -> None:
    print(f"▸ {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv)
