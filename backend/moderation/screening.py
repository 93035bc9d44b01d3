"""Screens whispers: stores findings as flags, and reports to the moderators if a rule says so."""

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from backend.engine.declarations import ANY_KEY, insert_all, query
from backend.engine.ids import uuid7
from backend.engine.statements import Declared, Json, compiled
from backend.moderation.models import REASON_CHARACTERS, Report, ReportStatus
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
    _keep_flags(flags=[_flag(*one) for one in found])
    reports = [_report(whisper, finding) for whisper, _, finding in found if finding.effect is Effect.REPORT]
    return _insert_reports(reports=reports).rows if reports else []


FLAG = """
INSERT INTO whispers_flag (whisper_id, author_id, effect, rules, policy)
SELECT whisper_id, author_id, effect, rules, policy FROM jsonb_populate_recordset(NULL::whispers_flag, %(flags)s)
ON CONFLICT (whisper_id) DO UPDATE SET effect = EXCLUDED.effect, rules = EXCLUDED.rules, policy = EXCLUDED.policy
"""


@compiled
def _keep_flags(*, flags: Json) -> Declared[Any]:
    return query(FLAG, flags=flags)


REPORTED = ("id", "about", "whisper", "reason", "status", "version", "state_changed")


@compiled
def _insert_reports(*, reports: Json) -> Declared[Report]:
    return insert_all(Report, REPORTED, reports, ANY_KEY)


def _flag(whisper: Whisper, before: Flag | None, found: Finding) -> dict[str, Any]:
    """A flag with all findings, old and new, and the worst effect; by column."""
    rules, effect = (before.rules, before.effect) if before else ([], Effect.FLAG)
    worst = Effect.REPORT if Effect.REPORT in (effect, found.effect) else Effect.FLAG
    return {
        "whisper_id": whisper.pk,
        "author_id": whisper.author_id,
        "effect": worst.value,
        "rules": [*rules, *found.rules],
        "policy": found.policy,
    }


def _report(whisper: Whisper, found: Finding) -> dict[str, Any]:
    """The automatic report, by column: it has no reporter."""
    reason = f"Found on screening: {', '.join(found.rules)}."
    if len(reason) > REASON_CHARACTERS:
        reason = f"{reason[: REASON_CHARACTERS - 1]}…"
    return {
        "id": uuid7(),
        "about_id": whisper.author_id,
        "whisper_id": whisper.pk,
        "reason": reason,
        "status": ReportStatus.OPEN.value,
        "version": 1,
        "state_changed": 1,
    }
