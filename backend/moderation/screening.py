"""What the screening of a whisper asks for: a flag for what was found, and a report to the moderators where a rule says so."""

import uuid
from collections.abc import Sequence
from typing import NamedTuple

from backend.moderation.models import REASON_CHARACTERS, Report
from backend.whispers import actions
from backend.whispers.models import Effect, Flag, Whisper
from backend.whispers.policy import Finding


class Created(NamedTuple):
    """A new whisper, and the report that its screening made, if it did."""

    whisper: Whisper
    report: Report | None


def create_whisper(author_id: uuid.UUID, text: str, *, nsfw: bool) -> Created:
    """A whisper, the flag for what the policy finds in it, and the report to the moderators: all of it, or nothing.

    Raises `Invalid`.
    """
    whisper, found = actions.create_whisper(author_id, text, nsfw=nsfw)
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
