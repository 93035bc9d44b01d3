"""Tombstones of deleted things, so that their authors can be told when they were deleted."""

import uuid
from collections.abc import Iterable

from backend.engine.versions import remove_all
from backend.stories.models import Tombstone


def bury(ids: Iterable[uuid.UUID], author_id: uuid.UUID) -> None:
    """Insert tombstones for these ids."""
    Tombstone.objects.bulk_create(Tombstone(id=one, author_id=author_id) for one in ids)


def sweep_tombstones(author_id: uuid.UUID, limit: int) -> bool:
    """Delete up to so many of the author's tombstones; returns whether there may be more."""
    found = list(Tombstone.objects.filter(author_id=author_id).order_by("pk").values_list("pk", flat=True)[:limit])
    return bool(remove_all(Tombstone.objects.filter(pk__in=found)))
