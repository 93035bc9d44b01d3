"""Loads what belongs to rows of one list for all of them at once, so that a page costs the same whatever its size.

Rows that came together are a batch. The first time a field of one of them is asked for, it is loaded for the whole
batch; execution is synchronous and goes depth first, so nothing has to be scheduled.
"""

import uuid
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeVar

from backend.engine.deadline import check
from backend.pages import Page
from backend.people.models import Person

RowT = TypeVar("RowT")


class Batch:
    """Rows that came together, who asked for them, and what has been loaded for them."""

    __slots__ = ("_loaded", "rows", "viewer")

    def __init__(self, rows: Iterable[Any], viewer: Person | None) -> None:
        self.rows = {row.pk: row for row in rows}
        self.viewer = viewer
        self._loaded: dict[Hashable, Mapping[uuid.UUID, Any]] = {}

    @property
    def viewer_id(self) -> uuid.UUID | None:
        """The id of who asked, or None when signed out."""
        return None if self.viewer is None else self.viewer.pk

    def load(self, name: Hashable, load: Callable[["Batch"], Mapping[uuid.UUID, Any]]) -> Mapping[uuid.UUID, Any]:
        """What `load` finds for the whole batch, remembered under `name`."""
        found = self._loaded.get(name)
        if found is None:
            check()
            found = self._loaded[name] = load(self)
        return found


def gather(rows: Iterable[RowT], viewer: Person | None) -> list[RowT]:
    """Make a batch of rows that came together."""
    rows = list(rows)
    batch = Batch(rows, viewer)
    for row in rows:
        row.batch = batch  # type: ignore[attr-defined]
    return rows


def is_viewer(person: Person) -> bool:
    """Whether it is the viewer's own row, of which some things are told to nobody else."""
    own: bool = person.batch.viewer_id == person.pk  # type: ignore[attr-defined]
    return own


def gather_pages(pages: Mapping[uuid.UUID, Page[RowT]], viewer: Person | None) -> Mapping[uuid.UUID, Page[RowT]]:
    """The pages of several owners, their rows made one batch, because they came together."""
    gather((row for page in pages.values() for row in page.rows), viewer)
    return pages


def loaded(row: Any, name: Hashable, load: Callable[[Batch], Mapping[uuid.UUID, Any]]) -> Any:
    """The value of `row` for `name`, loaded for its whole batch at the first call."""
    return row.batch.load(name, load)[row.pk]
