"""Applies the outcome of a report to its subject, in the transaction that resolves the report."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backend.engine.errors import Invalid
from backend.erasure.whispers import tell_nouns
from backend.moderation.models import ReportOutcome
from backend.stories import moderated
from backend.whispers import actions as whispers


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Done:
    """What remains to be done after the subject was written."""

    whisper_is_gone: bool = False
    """Whether the report is of a whisper that was deleted."""
    afterwards: Callable[[], None] = _nothing
    """A further write that must come after the report in the lock order."""


def carry_out(report: Any, outcome: ReportOutcome, moderator_id: uuid.UUID) -> Done:
    """Apply the outcome to the subject's present state. `report` has, as `story_of_it`, the reported story or that of the
    reported chapter. The caller refuses if the report has no such subject any more. Raises `Invalid` if the outcome does not
    apply to this kind of subject.
    """
    if report.person_id is not None:
        raise Invalid.one("outcome", "is not for people: a report of a person can only be DISMISSED.")
    if report.whisper_id is not None:
        return _of_whisper(report.whisper_id, report.about_id, outcome)
    return _of_story(report.story_of_it, outcome, moderator_id)


def _of_whisper(whisper_id: uuid.UUID, author_id: uuid.UUID, outcome: ReportOutcome) -> Done:
    if outcome is ReportOutcome.MARKED_NSFW:
        whispers.mark_nsfw(whispers=[whisper_id])
        return Done()
    whispers.take_away(whisper_id, author_id)
    return Done(whisper_is_gone=True, afterwards=lambda: tell_nouns([whisper_id]))


def _of_story(story_id: uuid.UUID, outcome: ReportOutcome, moderator_id: uuid.UUID) -> Done:
    if outcome is ReportOutcome.MARKED_NSFW:
        moderated.mark_mature(story_id, moderator_id)
        return Done()
    story = moderated.take_down(story_id, moderator_id)
    return Done() if story is None else Done(afterwards=lambda: moderated.count_down(story))
