"""Writes to whispers: creating, marking and deleting them, and what undoes that."""

import uuid
from datetime import datetime

from django.db.models import Exists
from django.db.models.expressions import RawSQL

from backend.engine.declarations import IsAny, delete, delete_all, insert, select, update_all
from backend.engine.errors import FieldConflict, Forbidden
from backend.engine.ids import uuid7
from backend.engine.statements import Declared, Result, compiled
from backend.engine.text import Checker
from backend.engine.versions import Expected, conflict, every_group, stamped, unchanged
from backend.people.models import Person
from backend.sources import read
from backend.stories.explain import gone
from backend.stories.models import Tombstone
from backend.stories.tombstones import unbury
from backend.whispers import policy, queries
from backend.whispers.models import TEXT_CHARACTERS, Flag, Whisper
from backend.whispers.policy import NUMBER, Finding

UNKNOWN_WHISPER = "There is no such whisper."


def create_whisper(author_id: uuid.UUID, text: str, *, nsfw: bool) -> tuple[Whisper, Finding | None]:
    """Create a whisper; returns it and what the policy found in it. A finding marks it NSFW.

    It is screened by the policy that this process remembers, and again if that is not the present one. The caller stores the
    finding: see `moderation.screening`. Raises `Invalid`.
    """
    check = Checker()
    text = check.text("text", text, most=TEXT_CHARACTERS)
    check.done()
    id_, screen = uuid7(), policy.remembered()
    while True:
        found = screen.of(text)
        marked = nsfw or found is not None
        whisper = _create(id=id_, author=author_id, text=text, nsfw=marked, policy=screen.number).row
        if whisper is not None:
            return whisper, found
        screen = policy.load()


@compiled
def _create(*, id: uuid.UUID, author: uuid.UUID, text: str, nsfw: bool, policy: int) -> Declared[Whisper]:
    is_present = RawSQL(f"({NUMBER}) = %s", [policy])
    return insert(Whisper, when=is_present, id=id, author_id=author, text=text, nsfw=nsfw)


def delete_whisper(whisper_id: uuid.UUID, author_id: uuid.UUID, seen: Expected) -> None:
    """Delete the whisper with its flag, if it has not changed since `seen`.

    The caller deletes other nouns' rows about it: see `erasure.whispers`. Raises `Conflict`, `NotFound`, `Forbidden`.
    """
    if _delete(whisper=whisper_id, author=author_id, seen=seen).row is None:
        whisper = _own_whisper(whisper_id, author_id)
        # Whispers are only ever marked, never unmarked, so the earlier value is known.
        marked = [] if seen.has_seen(whisper.nsfw_changed) else [FieldConflict("nsfw", False, False, whisper.nsfw)]
        raise conflict(whisper, seen=seen, thing=("whisper", whisper_id), overlaps=marked)
    _bury(whisper_id, author_id)


def take_away(whisper_id: uuid.UUID, author_id: uuid.UUID) -> Result[Whisper]:
    """Delete the whisper, if it is still there, with its flag; it is the result's row.

    The caller deletes other nouns' rows about it. If it was deleted meanwhile, a tombstone is inserted all the same unless it has
    one; the caller refuses then, which rolls that back.
    """
    deleted = _delete(whisper=whisper_id, author=author_id, seen=Expected(None))
    _bury(whisper_id, author_id)
    return deleted


@compiled
def _delete(*, whisper: uuid.UUID, author: uuid.UUID, seen: Expected) -> Declared[Whisper]:
    return delete(Whisper.objects.filter(unchanged(Whisper, seen, every_group(Whisper)), pk=whisper, author_id=author))


def _bury(whisper_id: uuid.UUID, author_id: uuid.UUID) -> None:
    """Delete the whisper's flag, and insert a tombstone unless it has one."""
    _delete_flags(whispers=[whisper_id])
    _insert_tombstone(id=whisper_id, author=author_id)


@compiled
def _delete_flags(*, whispers: list[uuid.UUID]) -> Declared[Flag]:
    return delete_all(Flag.objects.filter(IsAny("pk", whispers)))


@compiled
def _insert_tombstone(*, id: uuid.UUID, author: uuid.UUID) -> Declared[Tombstone]:
    return insert(Tombstone, ["id"], id=id, author_id=author)


def delete_whispers_of(author_id: uuid.UUID, limit: int) -> list[uuid.UUID]:
    """Delete up to `limit` whispers of an author who has left, with their flags; returns their ids."""
    newest = Whisper.objects.filter(author_id=author_id).order_by("-created_at", "-pk")
    found = list(newest.values_list("pk", flat=True)[:limit])
    if found:
        whispers = Whisper.objects.filter(pk__in=found)
        list(whispers.order_by("pk").select_for_update().values_list("pk"))
        delete_all(whispers).run()
        _delete_flags(whispers=found)
    return found


@compiled
def mark_nsfw(*, whispers: list[uuid.UUID]) -> Declared[Whisper]:
    """Mark these whispers NSFW, without a condition."""
    return update_all(
        Whisper.objects.filter(IsAny("pk", whispers), nsfw=False), nsfw=True, **stamped(Whisper, ["nsfw"])
    )


def _own_whisper(whisper_id: uuid.UUID, author_id: uuid.UUID) -> Whisper:
    """The present whisper, if the person is its author. Raises `NotFound`, `Forbidden`."""
    whisper = read(Whisper, queries.BY_ID, key=whisper_id, viewer=author_id).row
    if whisper is None:
        raise gone(whisper_id, author_id, UNKNOWN_WHISPER)
    if whisper.author_id != author_id:
        raise Forbidden("Only its author can delete a whisper.")
    return whisper


def lock(whisper_id: uuid.UUID) -> None:
    """Lock the whisper, so that nobody else marks it or flags it until the unit of work ends."""
    _lock(whisper=whisper_id)


@compiled
def _lock(*, whisper: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    return select(Whisper.objects.filter(pk=whisper).select_for_update(no_key=True).values_list("pk"))


def bring_back(
    whisper_id: uuid.UUID, author_id: uuid.UUID, text: str, *, nsfw: bool, created_at: datetime, version: int
) -> None:
    """Insert a whisper that was taken away with its own id, and with a version that it never had."""
    _bring_back(id=whisper_id, author=author_id, text=text, nsfw=nsfw, created_at=created_at, version=version)
    unbury(whisper_id)


@compiled
def _bring_back(
    *, id: uuid.UUID, author: uuid.UUID, text: str, nsfw: bool, created_at: datetime, version: int
) -> Declared[Whisper]:
    there = Exists(Person.objects.filter(pk=author, left_at__isnull=True))
    return insert(
        Whisper,
        ["id"],
        when=there,
        id=id,
        author_id=author,
        text=text,
        nsfw=nsfw,
        created_at=created_at,
        version=version,
        nsfw_changed=version,
    )
