"""Fills an empty database with demo data."""

import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.conf import settings
from django.core.management import CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from backend.demo.load import NotEmpty, Watch, is_empty, load
from backend.demo.sizes import Sizes
from backend.demo.tables import world
from backend.management.database import DatabaseCommand
from backend.nouns import Rows

SIZES = {
    "people": "default 1000",
    "stories": "default 2 for each person",
    "chapters": "of some 2000 characters; default 3 for each story",
    "follows": "default 20 for each person",
    "blocks": "default 1 for each 20 people",
    "views": "default 5 for each story",
    "editions": "default 1 for each 5 stories",
    "orders": "default 4 for each edition",
}
STEP = 500
"""Rows between two updates of the progress bar."""


class Command(DatabaseCommand):
    """manage.py demo [--people N] [--stories N] … [--seed S] [--if-empty]."""

    help = "Fill an empty database with demo data: the same for the same seed and sizes, all of it or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the sizes, the seed and `--if-empty`."""
        for size, meaning in SIZES.items():
            parser.add_argument(f"--{size}", type=int, metavar="N", help=meaning)
        parser.add_argument("--seed", type=int, default=1, metavar="S", help="Another seed, other data; default 1.")
        parser.add_argument("--if-empty", action="store_true", help="Leave a database that is not empty as it is.")

    def handle(self, **options: Any) -> None:
        """Generate the data, load it, and print a summary."""
        say = self._say if options["verbosity"] else _nothing
        try:
            sizes = Sizes.of(**{size: options[size] for size in SIZES})
        except ValueError as error:
            raise CommandError(str(error)) from None
        try:
            if not is_empty():
                raise NotEmpty
            self._fill(sizes, options["seed"], options["verbosity"], say)
        except NotEmpty:
            if not options["if_empty"]:
                raise CommandError("The database is not empty; demo data goes into an empty one.") from None
            say("There is data already, so no demo data is added.")

    def _fill(self, sizes: Sizes, seed: int, verbosity: int, say: Callable[[str], None]) -> None:
        say("Making up demo data")
        start = time.monotonic()
        open_to_all = settings.SECRET_KEY == settings.DEMO_SECRET
        made = world(seed, sizes)
        progress = _bars() if verbosity and self.stdout.isatty() else nullcontext(_lines(say))
        with progress as watch:
            load(made, open_to_all=open_to_all, watch=watch)
        say(
            f"{sizes.people} people, {sizes.stories} stories, {sizes.follows} follows and {sizes.views} views "
            f"in {time.monotonic() - start:.1f} s"
        )
        if not open_to_all:
            say("SECRET_KEY is not the demo's, so the demo people have no tokens and cannot sign in.")

    def _say(self, line: str) -> None:
        self.stdout.write(f"▸ {line}")
        self.stdout.flush()


def _nothing(_line: str) -> None:
    """Print nothing, for --verbosity 0."""


def _lines(say: Callable[[str], None]) -> Watch:
    """One line for each table, for a log."""

    def watch(name: str, count: int, rows: Rows) -> Rows:
        say(f"{name}: {count}")
        return rows

    return watch


@contextmanager
def _bars() -> Iterator[Watch]:
    """One bar for each table, for a terminal."""
    columns = (TextColumn("  {task.description:20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console()) as progress:

        def watch(name: str, count: int, rows: Rows) -> Rows:
            task = progress.add_task(name, total=count)
            for number, row in enumerate(rows):
                if number % STEP == 0:
                    progress.update(task, completed=number)
                yield row
            progress.update(task, completed=count)

        yield watch
