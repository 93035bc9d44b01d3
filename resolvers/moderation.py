"""Reports and decisions: making and appealing them, and what moderators do."""

import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from backend.engine.idempotency import Outcome
from backend.engine.mutations import Mutation, Target
from backend.engine.versions import Expected
from backend.moderation import actions, decisions
from backend.moderation.models import AppealOutcome, ReportOutcome
from backend.moderation.outcomes import Ruling
from backend.moderation.queries import Against
from backend.people.models import Person
from resolvers.access import hold_moderator
from resolvers.work import performed


def report(me: Person, *, kind: str, subject: uuid.UUID, reason: str, key: uuid.UUID | None) -> Outcome:
    """Report something to the moderators."""

    def work(_seen: Expected) -> Outcome:
        row, applied = actions.report(me.id, kind, subject, reason)
        return Outcome(applied, {"report": row})

    arguments = {"subject": [kind, subject], "reason": reason}
    return performed(Mutation("report", me.id, key, arguments, work), me)


def claim_report(me: Person, *, report: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Claim an open report."""
    return _moderated("claimReport", me, report, expect, key, lambda seen: actions.claim(report, me.id, seen))


def unclaim_report(me: Person, *, report: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Unclaim a report."""
    return _moderated("unclaimReport", me, report, expect, key, lambda seen: actions.unclaim(report, me.id, seen))


def reopen_report(me: Person, *, report: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Reopen a resolved report."""
    return _moderated("reopenReport", me, report, expect, key, lambda seen: actions.reopen(report, me.id, seen))


def resolve_report(
    me: Person, *, report: uuid.UUID, ruling: Ruling, expect: Expected, key: uuid.UUID | None
) -> Outcome:
    """Resolve a report, and apply the outcome to its subject."""

    def write(seen: Expected) -> actions.Written:
        return actions.resolve(report, me.id, ruling, seen)

    given = {name: value for name, value in ruling._asdict().items() if value}
    against = Against("moderation_report", report) if ruling.outcome is ReportOutcome.SUSPENDED else None
    return _moderated("resolveReport", me, report, expect, key, write, against, **given)


def appeal_decision(me: Person, *, decision: uuid.UUID, text: str, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Appeal a decision against oneself."""

    def write(seen: Expected) -> Outcome:
        row, applied = decisions.appeal(decision, me.id, text, seen)
        return Outcome(applied, {"decision": row})

    arguments, target = {"id": decision, "text": text}, Target("decision", {"pk": decision})
    mutation = Mutation("appealDecision", me.id, key, arguments, write, target, expect)
    return performed(mutation, me, while_suspended=True)


def resolve_appeal(
    me: Person,
    *,
    decision: uuid.UUID,
    outcome: AppealOutcome,
    answer: str,
    expect: Expected,
    key: uuid.UUID | None,
) -> Outcome:
    """Judge the appeal against a decision."""

    def act(seen: Expected) -> decisions.Written:
        return decisions.judge(decision, me.id, outcome, answer, seen)

    return _decided("resolveAppeal", me, decision, expect, key, act, outcome=outcome.value, answer=answer)


def lift_decision(me: Person, *, decision: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Lift a decision."""
    return _decided("liftDecision", me, decision, expect, key, lambda seen: decisions.lift(decision, me.id, seen))


def _decided(
    operation: str,
    me: Person,
    decision: uuid.UUID,
    expect: Expected,
    key: uuid.UUID | None,
    act: Callable[[Expected], decisions.Written],
    **arguments: str,
) -> Outcome:
    """One step of a moderator with a decision, which may change the account of whom it is against."""

    def write(seen: Expected) -> Outcome:
        row, applied = act(seen)
        return Outcome(applied, {"decision": row})

    target, named = Target("decision", {"pk": decision}), {"id": decision, **arguments}
    may = partial(hold_moderator, me, Against("moderation_decision", decision))
    return performed(Mutation(operation, me.id, key, named, write, target, expect, may=may), me)


def _moderated(
    operation: str,
    me: Person,
    report: uuid.UUID,
    expect: Expected,
    key: uuid.UUID | None,
    act: Callable[[Expected], actions.Written],
    against: Against | None = None,
    **arguments: Any,
) -> Outcome:
    """One step of a moderator with a report, who keeps the role until it is committed."""

    def write(seen: Expected) -> Outcome:
        row, applied = act(seen)
        return Outcome(applied, {"report": row})

    target = Target("report", {"pk": report})
    named = {"id": report, **arguments}
    mutation = Mutation(operation, me.id, key, named, write, target, expect, may=partial(hold_moderator, me, against))
    return performed(mutation, me)
