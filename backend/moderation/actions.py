"""Writes to reports: creating one, and a moderator's steps.

Each step is conditioned on the report's version, so of two moderators one acts and the other gets a conflict; and on its not
being about the moderator.
"""

import uuid
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from django.conf import settings
from django.db import IntegrityError
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Coalesce

from backend.engine.declarations import ANY_KEY, insert, query, select, update
from backend.engine.errors import Busy, FieldConflict, Forbidden, Invalid, NotFound, Refusal, after_busy_ms
from backend.engine.idempotency import Applied
from backend.engine.ids import uuid7
from backend.engine.statements import Declared, compiled
from backend.engine.text import Checker
from backend.engine.transactions import violated_constraint
from backend.engine.versions import Expected, Seen, conflict, is_unchanged, stamped, unchanged
from backend.erasure.whispers import tell_nouns
from backend.moderation import action_log, decisions, evidence, outcomes
from backend.moderation.interest import in_report
from backend.moderation.models import REASON_CHARACTERS, SUBJECTS, ActionKind, Report, ReportOutcome, ReportStatus
from backend.moderation.outcomes import Ruling
from backend.moderation.row_locks import Held
from backend.notifications.actions import tell
from backend.notifications.models import NotificationKind
from backend.stories import moderated

Written = tuple[Report, Applied]

UNKNOWN_REPORT = "There is no such report."
OWN = "This report is about you, or about something of yours: another moderator settles it."
WHY_NOT = {
    ReportStatus.CLAIMED: "is claimed: use unclaimReport first.",
    ReportStatus.RESOLVED: "is resolved: use reopenReport first.",
}
"""Messages for steps that are not allowed in the report's status."""


def report(reporter_id: uuid.UUID, kind: str, subject_id: uuid.UUID, reason: str) -> Written:
    """Report something to the moderators. Returns the reporter's open report of it, if there is one.

    The report is inserted before it is counted, so that one which exists already is not. Raises `NotFound`, `Forbidden`
    beyond the daily limit, `Invalid`, and `Busy` if the open report was resolved at this very moment.
    """
    check = Checker()
    reason = check.text("reason", reason, most=REASON_CHARACTERS)
    check.done()
    held = Held.of(kind, subject_id, viewer=reporter_id)
    unresolved = _unresolved(kind, subject=subject_id, reporter=reporter_id)
    kept = evidence.keep(kind, subject_id, reporter=reporter_id)
    about_id = held.owner()
    if held.is_of(reporter_id):
        raise Invalid.one("subject", "is yourself." if kind == "person" else "is your own.")
    if unresolved.row is not None:
        return unresolved.row, Applied.NOOP
    if kept is not None and kept.row is None:
        return _concurrent(kind, subject_id, reporter_id, otherwise=NotFound(f"There is no such {kind}."))
    id_, limit = uuid7(), settings.REPORTS_A_DAY
    made = _insert(
        kind,
        id=id_,
        subject=subject_id,
        about=about_id,
        reporter=reporter_id,
        evidence=None if kept is None else kept.rows[0][0],
        reason=reason,
    )
    counted = _count(report=id_, limit=limit)
    if made.row is None:
        return _concurrent(kind, subject_id, reporter_id, otherwise=Busy(after_ms=after_busy_ms()))
    if not counted.count:
        raise Forbidden(f"You have made {limit} reports today; make more tomorrow (UTC).")
    return made.row, Applied.WRITTEN


@compiled
def _unresolved(kind: str, *, subject: uuid.UUID, reporter: uuid.UUID) -> Declared[Report]:
    of_it = Report.objects.filter(reporter_id=reporter, **{f"{kind}_id": subject})
    return select(of_it.exclude(status=ReportStatus.RESOLVED))


@compiled
def _insert(
    kind: str,
    *,
    id: uuid.UUID,
    subject: uuid.UUID,
    about: uuid.UUID,
    reporter: uuid.UUID,
    evidence: uuid.UUID | None,
    reason: str,
) -> Declared[Report]:
    # ON CONFLICT waits for a concurrent report of the same thing, and inserts nothing if that was committed.
    of: dict[str, Any] = {f"{kind}_id": subject}
    return insert(
        Report, ANY_KEY, id=id, about_id=about, reporter_id=reporter, evidence_id=evidence, reason=reason, **of
    )


COUNT = """
INSERT INTO moderation_dailyreports AS daily (reporter_id, day, count)
SELECT reporter_id, (created_at AT TIME ZONE 'UTC')::date, 1 FROM moderation_report
WHERE id = %(report)s AND %(limit)s > 0
ON CONFLICT (reporter_id, day) DO UPDATE SET count = daily.count + 1 WHERE daily.count < %(limit)s
"""
"""Counts a report for its day (UTC), if it was inserted and the limit is not reached."""


@compiled
def _count(*, report: uuid.UUID, limit: int) -> Declared[Any]:
    return query(COUNT, report=report, limit=limit)


def _concurrent(kind: str, subject_id: uuid.UUID, reporter_id: uuid.UUID, *, otherwise: Refusal) -> Written:
    """The reporter's open report, which was committed while this one was being made."""
    present = _unresolved(kind, subject=subject_id, reporter=reporter_id).row
    if present is None:
        raise otherwise
    return present, Applied.NOOP


# --- Moderators' steps ------------------------------------------------------------------------------------------


class Step(NamedTuple):
    """Which report a moderator takes a step with, and the version that they saw."""

    report_id: uuid.UUID
    moderator_id: uuid.UUID
    seen: Expected

    @property
    def bound(self) -> dict[str, Any]:
        """What is bound to the statements of a step."""
        return {"report": self.report_id, "moderator": self.moderator_id, "seen": self.seen}


def claim(report_id: uuid.UUID, moderator_id: uuid.UUID, seen: Expected) -> Written:
    """Claim an open report. Raises `Conflict`, `NotFound`, `Forbidden`, and `Invalid` if it is not open."""
    step = Step(report_id, moderator_id, seen)
    row = _claim(**step.bound).row
    if row is not None:
        action_log.of_report(ActionKind.CLAIMED, row, moderator_id)
        return row, Applied.WRITTEN
    present = _present(step, ReportStatus.CLAIMED)
    if present.status == ReportStatus.CLAIMED and present.claimed_by_id == moderator_id:
        return present, Applied.NOOP
    raise _not_from(present)


@compiled
def _claim(*, report: uuid.UUID, moderator: uuid.UUID, seen: Expected) -> Declared[Report]:
    return update(
        _unchanged(report, moderator, seen).filter(status=ReportStatus.OPEN),
        status=ReportStatus.CLAIMED,
        claimed_by_id=moderator,
        **stamped(Report, ["state"]),
    )


def unclaim(report_id: uuid.UUID, moderator_id: uuid.UUID, seen: Expected) -> Written:
    """Unclaim a report, whoever claimed it. Raises `Conflict`, `NotFound`, `Forbidden`, and `Invalid` if it is resolved."""
    step = Step(report_id, moderator_id, seen)
    row = _unclaim(**step.bound).row
    if row is not None:
        action_log.of_report(ActionKind.UNCLAIMED, row, moderator_id)
        return row, Applied.WRITTEN
    present = _present(step, ReportStatus.OPEN)
    if present.status == ReportStatus.OPEN:
        return present, Applied.NOOP
    raise _not_from(present)


@compiled
def _unclaim(*, report: uuid.UUID, moderator: uuid.UUID, seen: Expected) -> Declared[Report]:
    return update(
        _unchanged(report, moderator, seen).filter(status=ReportStatus.CLAIMED),
        status=ReportStatus.OPEN,
        claimed_by_id=None,
        **stamped(Report, ["state"]),
    )


def reopen(report_id: uuid.UUID, moderator_id: uuid.UUID, seen: Expected) -> Written:
    """Reopen a resolved report; the effects of its outcome stay.

    Raises `Conflict`, `NotFound`, `Forbidden`, and `Invalid` if it is claimed, its subject is deleted, or its reporter has
    another open one.
    """
    step = Step(report_id, moderator_id, seen)
    try:
        row = _reopen(**step.bound).row
    except IntegrityError as error:
        if not (violated_constraint(error) or "").startswith("report_one_open"):
            raise
        raise Invalid.one("id", "is of something of which there is another open report by the same person.") from None
    if row is not None:
        action_log.of_report(ActionKind.REOPENED, row, moderator_id)
        return row, Applied.WRITTEN
    present = _present(step, ReportStatus.OPEN)
    if present.status == ReportStatus.OPEN:
        return present, Applied.NOOP
    gone = present.status == ReportStatus.RESOLVED
    raise Invalid.one("id", "is of something that has been deleted." if gone else "is claimed, not resolved.")


@compiled
def _reopen(*, report: uuid.UUID, moderator: uuid.UUID, seen: Expected) -> Declared[Report]:
    has_subject = reduce(or_, (Q(**{f"{kind}__isnull": False}) for kind in SUBJECTS))
    return update(
        _unchanged(report, moderator, seen).filter(has_subject, status=ReportStatus.RESOLVED),
        status=ReportStatus.OPEN,
        claimed_by_id=None,
        outcome=None,
        **stamped(Report, ["state"]),
    )


def resolve(report_id: uuid.UUID, moderator_id: uuid.UUID, ruling: Ruling, seen: Expected) -> Written:
    """Resolve a report that is open, or claimed by this moderator, and apply the outcome to its subject.

    Whoever made it is told, and the author of the subject too, unless it is DISMISSED. The subject is written before the report,
    in the same lock order as deletions, which avoids deadlocks. If the report has changed, everything is rolled back. Raises
    `Conflict`, `NotFound`, `Forbidden`, `Invalid`.
    """
    ruling = ruling.checked()
    step, done = Step(report_id, moderator_id, seen), None
    if ruling.outcome is not ReportOutcome.DISMISSED:
        found = _with_story(report=report_id, moderator=moderator_id).row
        if found is None or not _may_resolve(found, moderator_id):
            return _resolved_so(step, ruling)
        done = outcomes.carry_out(found, ruling, moderator_id)
    is_gone = done is not None and done.whisper is not None
    row = _resolve(is_gone, outcome=ruling.outcome.value, **step.bound).row
    if row is None and done is None:
        return _resolved_so(step, ruling)
    if row is None:
        raise _not_from(_present(step, ReportStatus.RESOLVED))
    _record(row, step, ruling, done)
    return row, Applied.WRITTEN


def _record(report: Report, step: Step, ruling: Ruling, done: outcomes.Done | None) -> None:
    """What follows from a resolved report: the decision, its line in the log, and who is told."""
    decision = None
    if done is not None:
        if done.whisper is not None:
            tell_nouns([done.subject])
        decision = decisions.make(report.pk, report.about_id, step.moderator_id, ruling, done)
    action_log.of_report(ActionKind.RESOLVED, report, step.moderator_id, decision)
    if done is not None:
        tell(report.about_id, NotificationKind.DECISION_MADE, decision=decision)
    if report.reporter_id not in (None, step.moderator_id):
        tell(report.reporter_id, NotificationKind.REPORT_RESOLVED, report=report.pk)
    if done is not None and done.withdrawn is not None:
        moderated.count_down(done.withdrawn)


@compiled
def _with_story(*, report: uuid.UUID, moderator: uuid.UUID) -> Declared[Report]:
    story = Coalesce("story_id", "chapter__story_id")
    return select(Report.objects.filter(pk=report).annotate(story_of_it=story, is_own=_is_own(moderator)))


@compiled
def _resolve(
    whisper_is_gone: bool, *, report: uuid.UUID, moderator: uuid.UUID, outcome: str, seen: Expected
) -> Declared[Report]:
    mine = Q(status=ReportStatus.OPEN) | Q(status=ReportStatus.CLAIMED, claimed_by_id=moderator)
    return update(
        _unchanged(report, moderator, seen).filter(mine),
        status=ReportStatus.RESOLVED,
        claimed_by_id=moderator,
        outcome=outcome,
        **({"whisper_id": None} if whisper_is_gone else {}),
        **stamped(Report, ["state"]),
    )


def _may_resolve(present: Report, moderator_id: uuid.UUID) -> bool:
    if present.is_own:  # type: ignore[attr-defined]
        return False
    if present.status == ReportStatus.CLAIMED:
        return present.claimed_by_id == moderator_id
    return present.status == ReportStatus.OPEN


def _resolved_so(step: Step, ruling: Ruling) -> Written:
    """The report that is not this moderator's to resolve, if it is resolved in this way already: also for as long, and with the
    same words to the author.
    """
    present = _present(step, ReportStatus.RESOLVED)
    is_so = present.status == ReportStatus.RESOLVED and present.outcome == ruling.outcome
    if is_so and (ruling.outcome is ReportOutcome.DISMISSED or decisions.decided_so(present.pk, ruling)):
        return present, Applied.NOOP
    raise _not_from(present)


# --- Helpers ----------------------------------------------------------------------------------------------------


def _unchanged(report: uuid.UUID, moderator: uuid.UUID, seen: Seen) -> "QuerySet[Report]":
    """The report, if it has not changed and is not about the moderator."""
    return Report.objects.filter(unchanged(Report, seen, ["state"]), pk=report).exclude(in_report(moderator))


def _present(step: Step, mine: ReportStatus) -> Report:
    """The present report. Raises `Conflict` if it has changed since it was seen, `NotFound`, `Forbidden`."""
    present, seen = _report(report=step.report_id, moderator=step.moderator_id).row, step.seen
    if present is None:
        raise NotFound(UNKNOWN_REPORT)
    if present.is_own:  # type: ignore[attr-defined]
        raise Forbidden(OWN)
    if is_unchanged(present, seen, ["state"]):
        return present
    changed = not seen.has_seen(present.state_changed)
    overlaps = [FieldConflict("status", None, mine.value, present.status)] if changed else []
    # A report whose subject was deleted is resolved by whoever deleted that.
    by = present.claimed_by_id if present.subject_key else None
    raise conflict(present, seen=seen, thing=("report", step.report_id), overlaps=overlaps, by=by)


@compiled
def _report(*, report: uuid.UUID, moderator: uuid.UUID) -> Declared[Report]:
    return select(Report.objects.filter(pk=report).annotate(is_own=_is_own(moderator)))


def _is_own(moderator: Any) -> ExpressionWrapper:
    return ExpressionWrapper(in_report(moderator), BooleanField())


def _not_from(present: Report) -> Refusal:
    if present.status == ReportStatus.OPEN:
        return Busy(after_ms=after_busy_ms())  # it was reopened after the write
    return Invalid.one("id", WHY_NOT[ReportStatus(present.status)])
