"""Reports: creating them, and what moderators see and do."""

import uuid
from collections.abc import Callable
from functools import partial

from backend.engine.idempotency import Outcome
from backend.engine.mutations import Mutation, Target
from backend.engine.versions import Expected
from backend.moderation import actions
from backend.moderation.models import ReportOutcome
from backend.people.models import Person
from resolvers.access import hold_moderator
from resolvers.work import performed


def report(me: Person, *, kind: str, subject: uuid.UUID, reason: str, key: uuid.UUID | None) -> Outcome:
    """Report something to the moderators."""

    def work(_seen: Expected) -> Outcome:
        row, applied = actions.report(me.pk, kind, subject, reason)
        return Outcome(applied, {"report": row})

    arguments = {"subject": [kind, str(subject)], "reason": reason}
    return performed(Mutation("report", me.pk, key, arguments, work), me)


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

    target = Target("report", {"pk": report})
    named = {"id": str(report), **arguments}
    mutation = Mutation(operation, me.pk, key, named, write, target, expect, may=partial(hold_moderator, me))
    return performed(mutation, me)
