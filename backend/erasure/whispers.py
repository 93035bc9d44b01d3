"""Deletes whispers together with other nouns' rows about them."""

import uuid
from collections.abc import Sequence

from backend.engine.versions import Expected
from backend.nouns import collect
from backend.whispers import actions


def delete_whisper(whisper_id: uuid.UUID, author_id: uuid.UUID, seen: Expected) -> None:
    """Delete the whisper if it has not changed since `seen`. Its flag is deleted and its reports are resolved.

    Raises `Conflict`, `NotFound`, `Forbidden`.
    """
    actions.delete_whisper(whisper_id, author_id, seen)
    tell_nouns([whisper_id])


def sweep_whispers(author_id: uuid.UUID, limit: int) -> bool:
    """Delete up to `limit` whispers of an author who has left, and resolve their reports; returns whether there may be more."""
    deleted = actions.delete_whispers_of(author_id, limit)
    if deleted:
        tell_nouns(deleted)
    return bool(deleted)


def tell_nouns(whisper_ids: Sequence[uuid.UUID]) -> None:
    """Call every noun's `whispers_deleted` for whispers that were deleted in this unit of work."""
    for whispers_deleted in collect("erasure", "whispers_deleted"):
        whispers_deleted(whisper_ids)
