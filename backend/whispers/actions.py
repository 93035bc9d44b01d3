"""Writes to whispers: creating, marking and deleting them, and what undoes that."""

import uuid
from datetime import datetime
from typing import NamedTuple

from django.db.models import Exists
from django.db.models.expressions import RawSQL

from backend.engine.declarations import IsAny, delete, delete_all, insert, query, select, update_all
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
from backend.whispers.models import TEXT_CHARACTERS, Effect, Flag, Whisper
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
        overlaps = []
        if not seen.has_seen(whisper.nsfw_changed):
            # A write turns the mark over: after one the earlier value is known, after several it is not.
            before = not whisper.nsfw if whisper.version == seen.latest + 1 else None
            overlaps = [FieldConflict("nsfw", before, before, whisper.nsfw)]
        raise conflict(whisper, seen=seen, thing=("whisper", whisper_id), overlaps=overlaps)
    _delete_flags(whispers=[whisper_id])
    _insert_tombstone(id=whisper_id, author=author_id)


def take_away(whisper_id: uuid.UUID, author_id: uuid.UUID) -> tuple[Result[Whisper], Result[Flag]]:
    """Delete the whisper, if it is still there, and its flag, if it has one; they are the results' rows.

    The caller deletes other nouns' rows about it. If it was deleted meanwhile, a tombstone is inserted all the same unless it has
    one; the caller refuses then, which rolls that back.
    """
    deleted, flag = _delete(whisper=whisper_id, author=author_id, seen=Expected(None)), _delete_flag(whisper=whisper_id)
    _insert_tombstone(id=whisper_id, author=author_id)
    return deleted, flag


@compiled
def _delete(*, whisper: uuid.UUID, author: uuid.UUID, seen: Expected) -> Declared[Whisper]:
    return delete(Whisper.objects.filter(unchanged(Whisper, seen, every_group(Whisper)), pk=whisper, author_id=author))


@compiled
def _delete_flag(*, whisper: uuid.UUID) -> Declared[Flag]:
    return delete(Flag.objects.filter(pk=whisper))


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


class Former(NamedTuple):
    """What a whisper was before it was taken away; `rules` are those of its flag, if it had one, and `policy` the flag's."""

    nsfw: bool
    created_at: datetime
    version: int
    nsfw_changed: int
    rules: list[str]
    policy: int


def bring_back(
    whisper_id: uuid.UUID, author_id: uuid.UUID, text: str, former: Former
) -> tuple[Result[Whisper], Flag | None, Finding | None]:
    """Insert a whisper that was taken away with its own id and its flag, and with a version that it never had.

    The flag does not ask for a report any more: that was settled when the whisper was taken away. Returns the whisper, of which
    there is no row if its author has left, its flag, and what the policy finds in it that it had not found before: nothing is
    marked for that yet.
    """
    _hold_screening()  # its place is among the old ones: no screening passes by while it is not there
    found = policy.current().of(text, known=former.rules)
    flag = Flag(
        whisper_id=whisper_id, author_id=author_id, effect=Effect.FLAG, rules=former.rules, policy=former.policy
    )
    whisper = _bring_back(
        id=whisper_id,
        author=author_id,
        text=text,
        nsfw=former.nsfw,
        created_at=former.created_at,
        version=former.version + 1,
        nsfw_changed=former.nsfw_changed,
    )
    if former.rules:
        _flag_again(whisper=whisper_id, author=author_id, rules=former.rules, policy=former.policy)
    unbury(whisper_id)
    return whisper, flag if former.rules else None, found


@compiled
def _hold_screening() -> Declared[tuple[()]]:
    return query("SELECT FROM whispers_screening FOR SHARE")


@compiled
def _bring_back(
    *,
    id: uuid.UUID,
    author: uuid.UUID,
    text: str,
    nsfw: bool,
    created_at: datetime,
    version: int,
    nsfw_changed: int,
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
        nsfw_changed=nsfw_changed,
    )


@compiled
def _flag_again(*, whisper: uuid.UUID, author: uuid.UUID, rules: list[str], policy: int) -> Declared[Flag]:
    there = Exists(Whisper.objects.filter(pk=whisper))
    return insert(
        Flag,
        ["whisper"],
        when=there,
        whisper_id=whisper,
        author_id=author,
        effect=Effect.FLAG.value,
        rules=rules,
        policy=policy,
    )
