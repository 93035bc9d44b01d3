"""What the outcome of a report does to its subject, in the transaction that resolves the report."""

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
    """Nothing is left to do."""


@dataclass(frozen=True)
class Done:
    """What has been done to the subject, and what goes with it."""

    of_report: dict[str, Any] = field(default_factory=dict)
    """Values that the report gets because of it."""
    afterwards: Callable[[], None] = _nothing
    """What has its turn, in the order of locks, after the report."""


def carry_out(report: Report, outcome: ReportOutcome, moderator_id: uuid.UUID) -> Done:
    """Do what the outcome says to whatever the subject is now. Raises `Invalid` where there is no such thing to do."""
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
    """The reported story, or that of the reported chapter; None if it has just been deleted."""
    if report.chapter_id is None:
        return report.story_id
    return Chapter.objects.filter(pk=report.chapter_id).values_list("story_id", flat=True).first()
