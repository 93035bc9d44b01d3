"""Applies the outcome of a report to its subject, in the transaction that resolves the report."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from backend.engine.errors import Invalid
from backend.erasure.whispers import tell_nouns
from backend.moderation.models import Report, ReportOutcome
from backend.stories import moderated
from backend.stories.models import Chapter
from backend.whispers import actions as whispers
from backend.whispers.models import Whisper


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Done:
    """What remains to be done after the subject was written."""

    of_report: dict[str, Any] = field(default_factory=dict)
    """Values to set on the report."""
    afterwards: Callable[[], None] = _nothing
    """A further write that must come after the report in the lock order."""


def carry_out(report: Report, outcome: ReportOutcome, moderator_id: uuid.UUID) -> Done:
    """Apply the outcome to the subject's present state. Raises `Invalid` if it does not apply to this kind of subject."""
    if outcome is ReportOutcome.DISMISSED:
        return Done()
    if report.person_id is not None:
        raise Invalid.one("outcome", "is not for people: a report of a person can only be DISMISSED.")
    if report.whisper_id is not None:
        return _of_whisper(report.whisper_id, outcome)
    return _of_story(_story_of(report), outcome, moderator_id)


def _of_whisper(whisper_id: uuid.UUID, outcome: ReportOutcome) -> Done:
    if outcome is ReportOutcome.MARKED_NSFW:
        whispers.mark_nsfw(whisper_id)
        return Done()
    whispers.take_away(Whisper.objects.filter(pk=whisper_id))
    return Done({"whisper_id": None}, lambda: tell_nouns([whisper_id]))


def _of_story(story_id: uuid.UUID | None, outcome: ReportOutcome, moderator_id: uuid.UUID) -> Done:
    if story_id is None:
        return Done()
    if outcome is ReportOutcome.MARKED_NSFW:
        moderated.mark_mature(story_id, moderator_id)
        return Done()
    story = moderated.take_down(story_id, moderator_id)
    return Done() if story is None else Done(afterwards=lambda: moderated.count_down(story))


def _story_of(report: Report) -> uuid.UUID | None:
    """The reported story, or the story of the reported chapter; None if it was just deleted."""
    if report.chapter_id is None:
        return report.story_id
    return Chapter.objects.filter(pk=report.chapter_id).values_list("story_id", flat=True).first()
