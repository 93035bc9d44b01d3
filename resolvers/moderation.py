"""Reports: creating them, and what moderators see and do."""

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from backend.engine.conditions import Target, conditioned
from backend.engine.idempotency import Outcome, Request
from backend.engine.versions import Expected
from backend.moderation import actions, queries
from backend.moderation.models import Report, ReportOutcome, ReportStatus
from backend.pages import Page, Window
from backend.people import queries as all_people
from backend.people.models import Person
from backend.whispers import queries as all_whispers
from resolvers import people, stories, whispers
from resolvers.access import is_moderator, must_moderate, signed_in
from resolvers.batches import Batch, gather, loaded
from resolvers.work import performed

# --- What they see ----------------------------------------------------------------------------------------------


def by_ids(ids: Iterable[uuid.UUID], *, viewer: Person | None) -> dict[uuid.UUID, Report]:
    """These reports, if the viewer is a moderator; else none."""
    found = queries.by_ids(ids) if is_moderator(viewer) else {}
    gather(found.values(), viewer)
    return found


def reports(status: ReportStatus | None, window: Window, *, viewer: Person | None) -> Page[Report]:
    """The reports with this status, or all, oldest first; for moderators."""
    me = signed_in(viewer)
    must_moderate(me)
    page = queries.reports(status, window)
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


def subject(report: Report) -> Any:
    """The reported object; None if it was deleted or the viewer may not see it.

    While a report is not resolved, moderators see its subject even as a draft or across a block: they have to judge it.
    Afterwards the usual rules apply to them.
    """

    def load(batch: Batch) -> Mapping[uuid.UUID, Any]:
        moderates = is_moderator(batch.viewer)
        wanted: dict[tuple[str, bool], set[Any]] = {}
        keys = {row.pk: (row.subject_key, moderates and row.status != ReportStatus.RESOLVED) for row in _rows(batch)}
        for key, whole in keys.values():
            if key is not None:
                wanted.setdefault((key[0], whole), set()).add(key[1])
        found = {of: (WHOLE if of[1] else SEEN)[of[0]](ids, batch.viewer) for of, ids in wanted.items()}
        return {pk: key and found[key[0], whole].get(key[1]) for pk, (key, whole) in keys.items()}

    return loaded(report, "subject", load)


def _rows(batch: Batch) -> list[Report]:
    return list(batch.rows.values())


Loader = Callable[[Iterable[uuid.UUID], Person | None], Mapping[uuid.UUID, Any]]

SEEN: dict[str, Loader] = {
    "whisper": lambda ids, viewer: whispers.by_ids(ids, viewer=viewer),
    "story": lambda ids, viewer: stories.by_ids(ids, viewer=viewer),
    "chapter": lambda ids, viewer: stories.chapters_by_ids(ids, viewer=viewer),
    "person": lambda ids, viewer: people.by_ids(ids, viewer=viewer),
}
"""Loaders with the usual visibility rules."""

WHOLE: dict[str, Loader] = {
    "whisper": lambda ids, viewer: _gathered(all_whispers.all_of(ids), viewer),
    "story": lambda ids, viewer: _gathered(queries.stories(ids), viewer),
    "chapter": lambda ids, viewer: _with_stories(queries.chapters(ids), viewer),
    "person": lambda ids, viewer: _people(ids, viewer),
}
"""Loaders without visibility rules."""


def _gathered(found: Mapping[uuid.UUID, Any], viewer: Person | None) -> Mapping[uuid.UUID, Any]:
    gather(found.values(), viewer)
    return found


def _people(ids: Iterable[uuid.UUID], viewer: Person | None) -> Mapping[uuid.UUID, Any]:
    return _gathered({pk: one for pk, one in all_people.all_of(ids).items() if one.left_at is None}, viewer)


def _with_stories(found: Mapping[uuid.UUID, Any], viewer: Person | None) -> Mapping[uuid.UUID, Any]:
    gather((chapter.story for chapter in found.values()), viewer)
    return _gathered(found, viewer)


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
    return _moderated("unclaimReport", me, report, expect, key, lambda seen: actions.unclaim(report, seen))


def reopen_report(me: Person, *, report: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Reopen a resolved report."""
    return _moderated("reopenReport", me, report, expect, key, lambda seen: actions.reopen(report, seen))


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
    """One step of a moderator."""

    def write(seen: Expected) -> Outcome:
        row, applied = act(seen)
        return Outcome(applied, {"report": row})

    step = conditioned(me.pk, expect, Target("report", {"pk": report}), write)

    def work() -> Outcome:
        must_moderate(me)
        return step()

    return performed(Request(operation, me.pk, key, {"id": str(report), **arguments}), work, me)
