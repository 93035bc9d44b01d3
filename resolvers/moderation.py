"""Reports: creating them, and what moderators see and do."""

import uuid
from collections.abc import Callable, Iterable, Mapping

from backend.engine.conditions import Target, conditioned
from backend.engine.idempotency import Outcome, Request
from backend.engine.versions import Expected
from backend.moderation import actions, queries
from backend.moderation.models import Report, ReportOutcome, ReportStatus
from backend.pages import Page, Window
from backend.people.models import Person
from resolvers import people
from resolvers.access import hold_moderator, is_moderator, must_moderate, signed_in
from resolvers.batches import Batch, gather, loaded
from resolvers.work import performed

# --- What they see ----------------------------------------------------------------------------------------------


def by_ids(ids: Iterable[uuid.UUID], *, viewer: Person | None) -> dict[uuid.UUID, Report]:
    """The reports among these ids that are about others, if the viewer is a moderator; else none."""
    found = queries.by_ids(ids, moderator=viewer.pk) if viewer is not None and is_moderator(viewer) else {}
    gather(found.values(), viewer)
    return found


def reports(status: ReportStatus | None, window: Window, *, viewer: Person | None) -> Page[Report]:
    """The reports with this status, or all, but for those about the viewer, oldest first; for moderators."""
    me = signed_in(viewer)
    must_moderate(me)
    page = queries.reports(status, window, moderator=me.pk)
    gather(page.rows, me)
    return page


def claimed_by(report: Report) -> Person | None:
    """The moderator who claimed or resolved it; visible to moderators who can find that person."""
    return _person_of(report, "claimed_by_id")


def reporter(report: Report) -> Person | None:
    """The reporter; visible to moderators who can find that person."""
    return _person_of(report, "reporter_id")


def _person_of(report: Report, field: str) -> Person | None:
    def load(batch: Batch) -> Mapping[uuid.UUID, Person | None]:
        ids = {getattr(row, field) for row in batch.rows.values()} - {None}
        found = people.by_ids(ids, viewer=batch.viewer) if ids and is_moderator(batch.viewer) else {}
        return {row.pk: found.get(getattr(row, field)) for row in batch.rows.values()}

    return loaded(report, field, load)


# --- What they do -----------------------------------------------------------------------------------------------


def report(me: Person, *, kind: str, subject: uuid.UUID, reason: str, key: uuid.UUID | None) -> Outcome:
    """Report something to the moderators."""

    def work() -> Outcome:
        row, applied = actions.report(me.pk, kind, subject, reason)
        return Outcome(applied, {"report": row})

    request = Request("report", me.pk, key, {"subject": [kind, str(subject)], "reason": reason})
    return performed(request, work, me)


def claim_report(me: Person, *, report: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Claim an open report."""
    return _moderated("claimReport", me, report, expect, key, lambda seen: actions.claim(report, me.pk, seen))


def unclaim_report(me: Person, *, report: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Unclaim a report."""
    return _moderated("unclaimReport", me, report, expect, key, lambda seen: actions.unclaim(report, me.pk, seen))


def reopen_report(me: Person, *, report: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Reopen a resolved report."""
    return _moderated("reopenReport", me, report, expect, key, lambda seen: actions.reopen(report, me.pk, seen))


def resolve_report(
    me: Person, *, report: uuid.UUID, outcome: ReportOutcome, expect: Expected, key: uuid.UUID | None
) -> Outcome:
    """Resolve a report, and apply the outcome to its subject."""

    def write(seen: Expected) -> actions.Written:
        return actions.resolve(report, me.pk, outcome, seen)

    return _moderated("resolveReport", me, report, expect, key, write, outcome=outcome.value)


def _moderated(
    operation: str,
    me: Person,
    report: uuid.UUID,
    expect: Expected,
    key: uuid.UUID | None,
    act: Callable[[Expected], actions.Written],
    **arguments: str,
) -> Outcome:
    """One step of a moderator, who keeps the role until it is committed."""

    def write(seen: Expected) -> Outcome:
        row, applied = act(seen)
        return Outcome(applied, {"report": row})

    step = conditioned(me.pk, expect, Target("report", {"pk": report}), write)

    def work() -> Outcome:
        hold_moderator(me)
        return step()

    return performed(Request(operation, me.pk, key, {"id": str(report), **arguments}), work, me)
