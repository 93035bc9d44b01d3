"""Runs a worker for background jobs."""

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand

from backend.jobs.worker import work
from backend.processes import die_with_parent, process_count

CONCURRENCY = 2


class Command(BaseCommand):
    """manage.py worker [--concurrency N]."""

    help = "Do the jobs that are waiting, and those that come, until told to stop."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add `--concurrency`, and the process that the worker ends with."""
        parser.add_argument(
            "--concurrency", type=process_count, default=CONCURRENCY, help="Jobs that are done at a time."
        )
        parser.add_argument(
            "--parent", type=int, help="End when the process with this id does, which has started this one."
        )

    def handle(self, *, concurrency: int, parent: int | None, **_options: Any) -> None:
        """Print a line, and run jobs."""
        if parent is not None:
            end_with(parent)
        else:
            self.stdout.write(f"▸ Doing jobs, {concurrency} at a time. Ctrl-C stops it.")
            self.stdout.flush()
        work(concurrency)


def end_with(parent: int) -> None:
    """End this process when the parent ends, or now if it has ended already."""
    die_with_parent()
    if os.getppid() != parent:
        sys.exit(1)
