"""Deleting whispers, with what others have to do with them."""

import uuid
from collections.abc import Sequence

from backend.engine.versions import Expected
from backend.nouns import collect
from backend.whispers import actions


def delete_whisper(whisper_id: uuid.UUID, author_id: uuid.UUID, seen: Expected) -> None:
    """Delete the whisper, if it is as it was at `seen`. Its flag goes with it, and its reports are resolved.

    Raises `Conflict`, `NotFound`, `Forbidden`.
    """
    actions.delete_whisper(whisper_id, author_id, seen)
    tell_nouns([whisper_id])


def sweep_whispers(author_id: uuid.UUID, limit: int) -> bool:
    """Delete so many whispers of an author who has left, and resolve their reports; whether there may be more."""
    deleted = actions.delete_whispers_of(author_id, limit)
    if deleted:
        tell_nouns(deleted)
    return bool(deleted)


def tell_nouns(whisper_ids: Sequence[uuid.UUID]) -> None:
    """Let every noun clear what it has about whispers that have been deleted in this unit of work."""
    for whispers_deleted in collect("erasure", "whispers_deleted"):
        whispers_deleted(whisper_ids)
