"""Loads related rows for all rows of a list at once, so that the number of queries does not depend on the page's size.

Rows that were loaded together form a batch. When a field of one of them is first resolved, it is loaded for the whole batch.
Execution is synchronous and depth-first, so no scheduler (as in DataLoader) is needed.
"""

import uuid
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeVar

from backend.engine.deadline import check
from backend.pages import Page
from backend.people.models import Person

RowT = TypeVar("RowT")


Load = Callable[["Batch"], Mapping[uuid.UUID, Any]]


class Batch:
    """Rows that were loaded together, their viewer, and a cache of what was loaded for them."""

    __slots__ = ("_instead", "_loaded", "rows", "viewer")

    def __init__(self, rows: Iterable[Any], viewer: Person | None) -> None:
        self.rows = {row.pk: row for row in rows}
        self.viewer = viewer
        self._loaded: dict[Hashable, Mapping[uuid.UUID, Any]] = {}
        self._instead: dict[Hashable, Load] = {}

    @property
    def viewer_id(self) -> uuid.UUID | None:
        """The viewer's id, or None when signed out."""
        return None if self.viewer is None else self.viewer.pk

    def instead(self, name: Hashable, load: Load) -> None:
        """Have `name` loaded by this, for rows that show something else than what is stored about them now."""
        self._instead[name] = load

    def load(self, name: Hashable, load: Load) -> Mapping[uuid.UUID, Any]:
        """The result of `load` for the whole batch, cached under `name`."""
        found = self._loaded.get(name)
        if found is None:
            check()
            found = self._loaded[name] = self._instead.get(name, load)(self)
        return found


def gather(rows: Iterable[RowT], viewer: Person | None) -> list[RowT]:
    """Make a batch of these rows."""
    rows = list(rows)
    batch = Batch(rows, viewer)
    for row in rows:
        row.batch = batch  # type: ignore[attr-defined]
    return rows


def is_viewer(person: Person) -> bool:
    """Whether it is the viewer's own row, some fields of which are private."""
    own: bool = person.batch.viewer_id == person.pk  # type: ignore[attr-defined]
    return own


def gather_pages(pages: Mapping[uuid.UUID, Page[RowT]], viewer: Person | None) -> Mapping[uuid.UUID, Page[RowT]]:
    """Make one batch of the rows of several pages."""
    gather((row for page in pages.values() for row in page.rows), viewer)
    return pages


def loaded(row: Any, name: Hashable, load: Load) -> Any:
    """The value of `row` in what `load` returns for its batch, cached under `name`."""
    return row.batch.load(name, load)[row.pk]
