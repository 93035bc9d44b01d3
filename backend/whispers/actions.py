"""Writes to whispers: creating one with all that its screening asks for, and deleting it with all that belongs to it."""

import uuid
from collections.abc import Sequence
from typing import NamedTuple

from django.db.models import QuerySet

from backend.engine.errors import FieldConflict, Forbidden
from backend.engine.text import Checker
from backend.engine.versions import Expected, conflict, every_group, remove, remove_all, stamped, unchanged, write
from backend.moderation import subjects
from backend.moderation.models import REASON_CHARACTERS, Report
from backend.stories.explain import gone
from backend.stories.removal import bury
from backend.whispers import policy, queries
from backend.whispers.models import TEXT_CHARACTERS, Effect, Flag, Whisper
from backend.whispers.policy import Finding

UNKNOWN_WHISPER = "There is no such whisper."


class Created(NamedTuple):
    """A new whisper, and the report that its screening made, if it did."""

    whisper: Whisper
    report: Report | None


def create_whisper(author_id: uuid.UUID, text: str, *, nsfw: bool) -> Created:
    """A whisper, the flag for what the policy finds in it, and the report to the moderators: all of it, or nothing.

    It expects nothing, because nothing that is there changes by it. Raises `Invalid`.
    """
    check = Checker()
    text = check.text("text", text, most=TEXT_CHARACTERS)
    check.done()
    found = policy.current().of(text)
    whisper = Whisper(author_id=author_id, text=text, nsfw=nsfw or found is not None)
    Whisper.objects.bulk_create([whisper])
    if found is None:
        return Created(whisper, None)
    return Created(whisper, next(iter(keep_findings([(whisper, None, found)])), None))


Found = tuple[Whisper, Flag | None, Finding]
"""A whisper, which the caller holds and has marked NSFW; what was found in it before; and what has been found now."""


def keep_findings(found: Sequence[Found]) -> list[Report]:
    """Flag these whispers, and report to the moderators those of which a rule asks for it. Returns the reports.

    Of a whisper of which they have an automatic report that is not resolved they get no other.
    """
    Flag.objects.bulk_create(
        (_flag(*one) for one in found),
        update_conflicts=True,
        unique_fields=["whisper"],
        update_fields=["effect", "rules", "policy"],
    )
    reports = [_report(whisper, finding) for whisper, _, finding in found if finding.effect is Effect.REPORT]
    again = any(before is not None for _, before, _ in found)
    return Report.objects.bulk_create(reports, ignore_conflicts=again)


def _flag(whisper: Whisper, before: Flag | None, found: Finding) -> Flag:
    """All that has ever been found in it, with the worst effect."""
    rules, effect = (before.rules, before.effect) if before else ([], Effect.FLAG)
    worst = Effect.REPORT if Effect.REPORT in (effect, found.effect) else Effect.FLAG
    return Flag(
        whisper=whisper,
        author_id=whisper.author_id,
        effect=worst,
        rules=[*rules, *found.rules],
        policy=found.policy,
    )


def _report(whisper: Whisper, found: Finding) -> Report:
    """The automatic report: it has no reporter."""
    reason = f"Found on screening: {', '.join(found.rules)}."
    if len(reason) > REASON_CHARACTERS:
        reason = f"{reason[: REASON_CHARACTERS - 1]}…"
    return Report(about_id=whisper.author_id, whisper=whisper, reason=reason)


def delete_whisper(whisper_id: uuid.UUID, author_id: uuid.UUID, seen: Expected) -> None:
    """Delete the whisper, if it is as it was at `seen`. Its flag goes with it, and its reports are resolved.

    Raises `Conflict`, `NotFound`, `Forbidden`.
    """
    unseen = unchanged(Whisper, seen, every_group(Whisper))
    if not take_away(Whisper.objects.filter(unseen, pk=whisper_id, author_id=author_id)):
        whisper = _own_whisper(whisper_id, author_id)
        # It is only ever marked, so what it was before is known.
        marked = [] if seen.has_seen(whisper.nsfw_changed) else [FieldConflict("nsfw", False, False, whisper.nsfw)]
        raise conflict(whisper, seen=seen, thing=("whisper", whisper_id), overlaps=marked)
    subjects.forget(whisper=[whisper_id])


def take_away(whispers: "QuerySet[Whisper]") -> bool:
    """Delete the one whisper that the filter lets through, if it does, with its flag. Its reports are left to the caller."""
    gone = remove(whispers)
    for whisper in gone:
        Flag.objects.filter(whisper_id=whisper.pk).delete()
        bury([whisper.pk], whisper.author_id)
    return bool(gone)


def remove_whispers(author_id: uuid.UUID, most: int) -> bool:
    """Delete so many whispers of an author who has left, with flags, and resolve their reports; whether there may be more."""
    newest = Whisper.objects.filter(author_id=author_id).order_by("-created_at", "-pk")
    found = list(newest.values_list("pk", flat=True)[:most])
    whispers = Whisper.objects.filter(pk__in=found)
    list(whispers.order_by("pk").select_for_update().values_list("pk"))
    remove_all(whispers)
    Flag.objects.filter(whisper_id__in=found).delete()
    if found:
        subjects.forget(whisper=found)
    return bool(found)


def mark_nsfw(whisper_id: uuid.UUID) -> None:
    """Mark the whisper NSFW, whatever it is now."""
    write(Whisper.objects.filter(pk=whisper_id, nsfw=False), nsfw=True, **stamped(Whisper, ["nsfw"]))


def _own_whisper(whisper_id: uuid.UUID, author_id: uuid.UUID) -> Whisper:
    """The whisper as it is now, for its author alone. Raises `NotFound` or `Forbidden` for anybody else."""
    whisper = queries.by_ids([whisper_id], viewer=author_id).get(whisper_id)
    if whisper is None:
        raise gone(whisper_id, author_id, UNKNOWN_WHISPER)
    if whisper.author_id != author_id:
        raise Forbidden("Only its author can delete a whisper.")
    return whisper
