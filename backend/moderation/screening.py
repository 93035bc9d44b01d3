"""Screens whispers: stores findings as flags, and reports to the moderators if a rule says so."""

import uuid
from collections.abc import Sequence
from typing import NamedTuple

from backend.moderation.models import REASON_CHARACTERS, Report
from backend.whispers import actions
from backend.whispers.models import Effect, Flag, Whisper
from backend.whispers.policy import Finding


class Created(NamedTuple):
    """A new whisper, and the report by its screening, if any."""

    whisper: Whisper
    report: Report | None


def create_whisper(author_id: uuid.UUID, text: str, *, nsfw: bool) -> Created:
    """Create a whisper, its flag and its report, in one transaction.

    Raises `Invalid`.
    """
    whisper, found = actions.create_whisper(author_id, text, nsfw=nsfw)
    if found is None:
        return Created(whisper, None)
    return Created(whisper, next(iter(keep_findings([(whisper, None, found)])), None))


Found = tuple[Whisper, Flag | None, Finding]
"""A whisper that the caller has locked and marked NSFW, its earlier flag if any, and the new finding."""


def keep_findings(found: Sequence[Found]) -> list[Report]:
    """Flag these whispers, and report those with a rule that asks for it. Returns the new reports.

    A whisper with an unresolved automatic report gets no second one.
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
    """A flag with all findings, old and new, and the worst effect."""
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
