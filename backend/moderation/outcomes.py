"""Applies the outcome of a report to its subject, in the transaction that resolves the report.

The subject is locked first, whether or not it changes: so of two decisions about it, and of one that is lifted, each sees what
the other has left.
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from django.db.models import TextField
from django.db.models.functions import Cast, Coalesce

from backend.engine.declarations import select
from backend.engine.errors import Invalid
from backend.engine.statements import Declared, Result, compiled
from backend.engine.text import Checker
from backend.moderation.models import REASON_CHARACTERS, Report, ReportOutcome
from backend.people.suspension import suspend
from backend.stories import moderated
from backend.stories.models import Story
from backend.whispers import actions as whispers
from backend.whispers.models import Flag, Whisper

OF_PEOPLE = (ReportOutcome.WARNED, ReportOutcome.SUSPENDED)
LONGEST_DAYS = 365
"""The longest suspension."""


class Ruling(NamedTuple):
    """What a moderator says shall become of a report: the outcome, the reason that the author is told, and for how many days."""

    outcome: ReportOutcome
    reason: str = ""
    days: int | None = None

    @property
    def length(self) -> timedelta | None:
        """How long a suspension lasts."""
        return None if self.days is None else timedelta(days=self.days)

    def checked(self) -> "Ruling":
        """The ruling, if its parts fit together. Raises `Invalid`."""
        check = Checker()
        reason = check.text("reason", self.reason, most=REASON_CHARACTERS, blank=True)
        if self.outcome is not ReportOutcome.SUSPENDED and self.days is not None:
            check.wrong("days", "is for SUSPENDED alone.")
        if self.outcome is ReportOutcome.SUSPENDED and not 1 <= (self.days or 0) <= LONGEST_DAYS:
            check.wrong("days", f"must say for how many days: 1 to {LONGEST_DAYS}.")
        check.done()
        return Ruling(self.outcome, reason, self.days)


Found = tuple[str, bool | None]
"""The text of a subject, or its title; and whether it is marked as NSFW, if it is a whisper."""


@dataclass(frozen=True)
class Done:
    """What was done to the subject, and what remains to be done after the report was written."""

    kind: str
    subject: uuid.UUID
    found: Result[Found] | None = None
    """What there was of it, once it was locked; None of a person."""
    whisper: Result[Whisper] | None = None
    """The whisper that was deleted."""
    flag: Result[Flag] | None = None
    """Its flag, if it had one."""
    withdrawn: Story | None = None
    """The story that was published until now."""

    @property
    def excerpt(self) -> str:
        """A few words of the subject; none of a person."""
        return "" if self._was is None else self._was[0]

    @property
    def _was(self) -> Found | None:
        return None if self.found is None else self.found.row

    @property
    def undone_by(self) -> dict[str, Any] | None:
        """Of a whisper what it takes to undo this, by column."""
        row = None if self.whisper is None else self.whisper.row
        if row is None:
            return None if self.kind != "whisper" or self._was is None else {"nsfw": self._was[1]}
        flag = None if self.flag is None else self.flag.row
        return {
            "nsfw": row.nsfw,
            "version": row.version,
            "nsfw_changed": row.nsfw_changed,
            "created_at": row.created_at.isoformat(),
            "rules": flag.rules if flag else [],
            "policy": flag.policy if flag else 0,
        }


def carry_out(report: Any, ruling: Ruling, moderator_id: uuid.UUID) -> Done:
    """Apply the outcome to the subject's present state. `report` has, as `story_of_it`, the reported story or that of the
    reported chapter. The caller refuses if the report has no such subject any more. Raises `Invalid` if the outcome does not
    apply to this kind of subject.
    """
    outcome = ruling.outcome
    if (report.person_id is not None) != (outcome in OF_PEOPLE):
        of = "people: a report of a person can be DISMISSED, or they are WARNED or SUSPENDED."
        raise Invalid.one("outcome", f"is not for {of}" if report.person_id else f"is for {of}")
    if report.person_id is not None:
        if ruling.length is not None:
            suspend(report.person_id, ruling.length)
        return Done("person", report.person_id)
    if report.whisper_id is not None:
        return _of_whisper(report, outcome)
    return _of_story(report, outcome, moderator_id)


def _of_whisper(report: Any, outcome: ReportOutcome) -> Done:
    whispers.lock(report.whisper_id)
    found = _found(report=report.pk)
    if outcome is ReportOutcome.MARKED_NSFW:
        whispers.mark_nsfw(whispers=[report.whisper_id])
        return Done("whisper", report.whisper_id, found)
    whisper, flag = whispers.take_away(report.whisper_id, report.about_id)
    return Done("whisper", report.whisper_id, found, whisper=whisper, flag=flag)


def _of_story(report: Any, outcome: ReportOutcome, moderator_id: uuid.UUID) -> Done:
    story_id = report.story_of_it
    moderated.lock(story_id)
    found = _found(report=report.pk)
    if outcome is ReportOutcome.MARKED_NSFW:
        moderated.mark_mature(story_id, moderator_id)
        return Done("story", story_id, found)
    return Done("story", story_id, found, withdrawn=moderated.take_down(story_id, moderator_id))


@compiled
def _found(*, report: uuid.UUID) -> Declared[Found]:
    text = Cast(Coalesce("story__title", "chapter__story__title", "whisper__text"), TextField())
    return select(Report.objects.filter(pk=report).values_list(text, "whisper__nsfw"))
