"""Writes to reports: creating one, and a moderator's steps.

Each step is conditioned on the report's version, so of two moderators one acts and the other gets a conflict; and on its not
being about the moderator.
"""

import uuid
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from django.conf import settings
from django.db import IntegrityError, connection
from django.db.models import Q

from backend.engine.errors import Busy, FieldConflict, Forbidden, Invalid, NotFound, Refusal, after_busy_ms
from backend.engine.idempotency import Applied
from backend.engine.text import Checker
from backend.engine.transactions import violated_constraint
from backend.engine.versions import Expected, conflict, is_unchanged, stamped, unchanged, write
from backend.moderation import evidence, outcomes
from backend.moderation.models import REASON_CHARACTERS, SUBJECTS, Report, ReportOutcome, ReportStatus
from backend.moderation.row_locks import locked_subject

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
    about_id = locked_subject(kind, subject_id, viewer=reporter_id)
    if about_id == reporter_id:
        raise Invalid.one("subject", "is yourself." if kind == "person" else "is your own.")
    subject = {f"{kind}_id": subject_id}
    unresolved = Q(reporter_id=reporter_id, **subject) & ~Q(status=ReportStatus.RESOLVED)
    present = Report.objects.filter(unresolved).first()
    if present is not None:
        return present, Applied.NOOP
    kept_id = evidence.keep(kind, subject_id)
    made = Report(about_id=about_id, reporter_id=reporter_id, reason=reason, evidence_id=kept_id, **subject)
    # ON CONFLICT waits for a concurrent report of the same thing, and inserts nothing if that was committed.
    Report.objects.bulk_create([made], ignore_conflicts=True)
    present = Report.objects.filter(unresolved).first()
    if present is None:
        raise Busy(after_ms=after_busy_ms())
    if present.pk != made.pk:
        return present, Applied.NOOP
    _count(present)
    return present, Applied.WRITTEN


COUNT = """
INSERT INTO moderation_dailyreports AS daily (reporter_id, day, count)
SELECT %(reporter)s, (%(made_at)s AT TIME ZONE 'UTC')::date, 1 WHERE %(limit)s > 0
ON CONFLICT (reporter_id, day) DO UPDATE SET count = daily.count + 1 WHERE daily.count < %(limit)s
"""


def _count(made: Report) -> None:
    """Count a report for its day (UTC) in one conditioned statement. Raises `Forbidden` if the limit is reached."""
    limit = settings.REPORTS_A_DAY
    with connection.cursor() as cursor:
        cursor.execute(COUNT, {"reporter": made.reporter_id, "made_at": made.created_at, "limit": limit})
        if not cursor.rowcount:
            raise Forbidden(f"You have made {limit} reports today; make more tomorrow (UTC).")


def claim(report_id: uuid.UUID, moderator_id: uuid.UUID, seen: Expected) -> Written:
    """Claim an open report. Raises `Conflict`, `NotFound`, `Forbidden`, and `Invalid` if it is not open."""
    step = Step(report_id, moderator_id, seen)
    rows = _moved(step, Q(status=ReportStatus.OPEN), ReportStatus.CLAIMED, claimed_by_id=moderator_id)
    if rows:
        return rows[0], Applied.WRITTEN
    present = _present(step, ReportStatus.CLAIMED)
    if present.status == ReportStatus.CLAIMED and present.claimed_by_id == moderator_id:
        return present, Applied.NOOP
    raise _not_from(present)


def unclaim(report_id: uuid.UUID, moderator_id: uuid.UUID, seen: Expected) -> Written:
    """Unclaim a report, whoever claimed it. Raises `Conflict`, `NotFound`, `Forbidden`, and `Invalid` if it is resolved."""
    step = Step(report_id, moderator_id, seen)
    rows = _moved(step, Q(status=ReportStatus.CLAIMED), ReportStatus.OPEN, claimed_by_id=None)
    if rows:
        return rows[0], Applied.WRITTEN
    present = _present(step, ReportStatus.OPEN)
    if present.status == ReportStatus.OPEN:
        return present, Applied.NOOP
    raise _not_from(present)


def reopen(report_id: uuid.UUID, moderator_id: uuid.UUID, seen: Expected) -> Written:
    """Reopen a resolved report; the effects of its outcome stay.

    Raises `Conflict`, `NotFound`, `Forbidden`, and `Invalid` if it is claimed, its subject is deleted, or its reporter has
    another open one.
    """
    start = Q(status=ReportStatus.RESOLVED) & reduce(or_, (Q(**{f"{kind}__isnull": False}) for kind in SUBJECTS))
    step = Step(report_id, moderator_id, seen)
    try:
        rows = _moved(step, start, ReportStatus.OPEN, claimed_by_id=None, outcome=None)
    except IntegrityError as error:
        if not (violated_constraint(error) or "").startswith("report_one_open"):
            raise
        raise Invalid.one("id", "is of something of which there is another open report by the same person.") from None
    if rows:
        return rows[0], Applied.WRITTEN
    present = _present(step, ReportStatus.OPEN)
    if present.status == ReportStatus.OPEN:
        return present, Applied.NOOP
    gone = present.status == ReportStatus.RESOLVED
    raise Invalid.one("id", "is of something that has been deleted." if gone else "is claimed, not resolved.")


def resolve(report_id: uuid.UUID, moderator_id: uuid.UUID, outcome: ReportOutcome, seen: Expected) -> Written:
    """Resolve a report that is open, or claimed by this moderator, and apply the outcome to its subject.

    The subject is written before the report, in the same lock order as deletions, which avoids deadlocks. If the report has
    changed, everything is rolled back. Raises `Conflict`, `NotFound`, `Forbidden`, `Invalid`.
    """
    step = Step(report_id, moderator_id, seen)
    present = Report.objects.filter(pk=report_id).first()
    if present is None or not _may_resolve(present, moderator_id):
        present = _present(step, ReportStatus.RESOLVED)
        if present.status == ReportStatus.RESOLVED and present.outcome == outcome:
            return present, Applied.NOOP
        raise _not_from(present)
    done = outcomes.carry_out(present, outcome, moderator_id)
    mine = Q(status=ReportStatus.OPEN) | Q(status=ReportStatus.CLAIMED, claimed_by_id=moderator_id)
    values: dict[str, Any] = {"claimed_by_id": moderator_id, "outcome": outcome}
    rows = _moved(step, mine, ReportStatus.RESOLVED, **values, **done.of_report)
    if not rows:
        raise _not_from(_present(step, ReportStatus.RESOLVED))
    done.afterwards()
    return rows[0], Applied.WRITTEN


def _may_resolve(present: Report, moderator_id: uuid.UUID) -> bool:
    if present.about_id == moderator_id:
        return False
    if present.status == ReportStatus.CLAIMED:
        return present.claimed_by_id == moderator_id
    return present.status == ReportStatus.OPEN


# --- Helpers ----------------------------------------------------------------------------------------------------


class Step(NamedTuple):
    """Which report a moderator takes a step with, and the version that they saw."""

    report_id: uuid.UUID
    moderator_id: uuid.UUID
    seen: Expected


def _moved(step: Step, start: Q, status: ReportStatus, **values: Any) -> list[Report]:
    """The conditioned write of a report, if it matches `start`, has not changed and is not about the moderator."""
    of_others = ~Q(about_id=step.moderator_id)
    rows = Report.objects.filter(unchanged(Report, step.seen, ["state"]), start, of_others, pk=step.report_id)
    return write(rows, status=status, **values, **stamped(Report, ["state"]))


def _present(step: Step, mine: ReportStatus) -> Report:
    """The present report. Raises `Conflict` if it has changed since it was seen, `NotFound`, `Forbidden`."""
    present, seen = Report.objects.filter(pk=step.report_id).first(), step.seen
    if present is None:
        raise NotFound(UNKNOWN_REPORT)
    if present.about_id == step.moderator_id:
        raise Forbidden(OWN)
    if is_unchanged(present, seen, ["state"]):
        return present
    changed = not seen.has_seen(present.state_changed)
    overlaps = [FieldConflict("status", None, mine.value, present.status)] if changed else []
    # A report whose subject was deleted is resolved by whoever deleted that.
    by = present.claimed_by_id if present.subject_key else None
    raise conflict(present, seen=seen, thing=("report", step.report_id), overlaps=overlaps, by=by)


def _not_from(present: Report) -> Refusal:
    if present.status == ReportStatus.OPEN:
        return Busy(after_ms=after_busy_ms())  # it was reopened after the write
    return Invalid.one("id", WHY_NOT[ReportStatus(present.status)])
