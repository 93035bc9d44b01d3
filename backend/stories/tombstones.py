"""Tombstones of deleted things, so that their authors can be told when they were deleted."""

import uuid
from collections.abc import Iterable
from datetime import datetime

from backend.engine.versions import remove_all
from backend.stories.models import Tombstone


def bury(ids: Iterable[uuid.UUID], author_id: uuid.UUID) -> None:
    """Insert tombstones for these ids."""
    Tombstone.objects.bulk_create(Tombstone(id=one, author_id=author_id) for one in ids)


def deleted_at(ids: Iterable[uuid.UUID | None], author_id: uuid.UUID) -> datetime | None:
    """When the first of these things that were this author's was deleted; None if none was."""
    stones = Tombstone.objects.filter(pk__in=[one for one in ids if one is not None], author_id=author_id)
    return stones.order_by("deleted_at").values_list("deleted_at", flat=True).first()


def sweep_tombstones(author_id: uuid.UUID, limit: int) -> bool:
    """Delete up to so many of the author's tombstones; returns whether there may be more."""
    found = list(Tombstone.objects.filter(author_id=author_id).order_by("pk").values_list("pk", flat=True)[:limit])
    return bool(remove_all(Tombstone.objects.filter(pk__in=found)))
