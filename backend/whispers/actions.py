"""Writes to whispers: creating, marking and deleting them."""

import uuid

from django.db.models import QuerySet

from backend.engine.errors import FieldConflict, Forbidden
from backend.engine.text import Checker
from backend.engine.versions import Expected, conflict, every_group, remove, remove_all, stamped, unchanged, write
from backend.sources import read
from backend.stories.explain import gone
from backend.stories.tombstones import bury
from backend.whispers import policy, queries
from backend.whispers.models import TEXT_CHARACTERS, Flag, Whisper
from backend.whispers.policy import Finding

UNKNOWN_WHISPER = "There is no such whisper."


def create_whisper(author_id: uuid.UUID, text: str, *, nsfw: bool) -> tuple[Whisper, Finding | None]:
    """Create a whisper; returns it and what the policy found in it. A finding marks it NSFW.

    It has no condition, because it changes no existing row. The caller stores the finding: see `moderation.screening`. Raises
    `Invalid`.
    """
    check = Checker()
    text = check.text("text", text, most=TEXT_CHARACTERS)
    check.done()
    found = policy.current().of(text)
    whisper = Whisper(author_id=author_id, text=text, nsfw=nsfw or found is not None)
    Whisper.objects.bulk_create([whisper])
    return whisper, found


def delete_whisper(whisper_id: uuid.UUID, author_id: uuid.UUID, seen: Expected) -> None:
    """Delete the whisper with its flag, if it has not changed since `seen`.

    The caller deletes other nouns' rows about it: see `erasure.whispers`. Raises `Conflict`, `NotFound`, `Forbidden`.
    """
    unseen = unchanged(Whisper, seen, every_group(Whisper))
    if not take_away(Whisper.objects.filter(unseen, pk=whisper_id, author_id=author_id)):
        whisper = _own_whisper(whisper_id, author_id)
        # Whispers are only ever marked, never unmarked, so the earlier value is known.
        marked = [] if seen.has_seen(whisper.nsfw_changed) else [FieldConflict("nsfw", False, False, whisper.nsfw)]
        raise conflict(whisper, seen=seen, thing=("whisper", whisper_id), overlaps=marked)


def take_away(whispers: "QuerySet[Whisper]") -> bool:
    """Delete the whisper that the filter matches, if any, with its flag. The caller deletes other nouns' rows about it."""
    gone = remove(whispers)
    for whisper in gone:
        remove_all(Flag.objects.filter(whisper_id=whisper.pk))
        bury([whisper.pk], whisper.author_id)
    return bool(gone)


def delete_whispers_of(author_id: uuid.UUID, limit: int) -> list[uuid.UUID]:
    """Delete up to `limit` whispers of an author who has left, with their flags; returns their ids."""
    newest = Whisper.objects.filter(author_id=author_id).order_by("-created_at", "-pk")
    found = list(newest.values_list("pk", flat=True)[:limit])
    whispers = Whisper.objects.filter(pk__in=found)
    list(whispers.order_by("pk").select_for_update().values_list("pk"))
    remove_all(whispers)
    remove_all(Flag.objects.filter(whisper_id__in=found))
    return found


def mark_nsfw(whisper_id: uuid.UUID) -> None:
    """Mark the whisper NSFW, without a condition."""
    write(Whisper.objects.filter(pk=whisper_id, nsfw=False), nsfw=True, **stamped(Whisper, ["nsfw"]))


def _own_whisper(whisper_id: uuid.UUID, author_id: uuid.UUID) -> Whisper:
    """The present whisper, if the person is its author. Raises `NotFound`, `Forbidden`."""
    whisper = read(Whisper, queries.BY_ID, key=whisper_id, viewer=author_id)
    if whisper is None:
        raise gone(whisper_id, author_id, UNKNOWN_WHISPER)
    if whisper.author_id != author_id:
        raise Forbidden("Only its author can delete a whisper.")
    return whisper
