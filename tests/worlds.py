"""Worlds that are made once for a module, because its tests only read them; that they do is proven at the module's end.

    @pytest.fixture(scope="module")
    def scene(made_once: MadeOnce) -> AccessFixture:
        return made_once(AccessFixture)

Everything is really committed. Each test may write what leaves no trace: what it rolls back, and attempts, which are counted.
"""

from collections.abc import Callable
from typing import TypeVar

import pytest
from django.db import connection

from tests.clearing import clear
from tests.schema.footprint import COUNTED, footprint

WorldT = TypeVar("WorldT")


class MadeOnce:
    """Makes the worlds of one module, and knows what was in the tables when they were made."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.before = footprint()

    def __call__(self, make: Callable[[], WorldT]) -> WorldT:
        """Make a world. What was made before it has to be as it was."""
        self._prove()
        world = make()
        self.before = footprint()
        return world

    def forget_attempts(self) -> None:
        """Attempts of one test are none of the next one's."""
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {COUNTED}")

    def end(self) -> None:
        """Fails where a test has written, and clears away the worlds; a fixture with parameters ends each of its own."""
        try:
            self._prove()
        finally:
            clear()
            self.before = footprint()

    def _prove(self) -> None:
        """Nothing has been written since the last world was made."""
        written = sorted(table for table, rows in footprint().items() if rows != self.before[table])
        assert not written, (
            f"The tests of {self.module} share what was made once, but one of them has written to {', '.join(written)}. "
            "Run them one by one to find it, and move it to a module whose tests each have a world of their own."
        )


def refuse_both(items: list[pytest.Item]) -> None:
    """A test that clears the database after itself would take away the world of all others in its module."""
    sharing = {_module(item) for item in items if "made_once" in _fixtures(item)}
    for item in items:
        marked = item.get_closest_marker("django_db")
        if _module(item) in sharing and (marked or {"db", "transactional_db"} & _fixtures(item)):
            raise pytest.UsageError(
                f"{item.nodeid} has a database of its own, but other tests of its module share a world that was made once. "
                "Move it to another module, or let it use that world."
            )


def _fixtures(item: pytest.Item) -> set[str]:
    return set(getattr(item, "fixturenames", ()))


def _module(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]
