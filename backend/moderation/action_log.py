"""The log of what moderators did: each step writes its line in its own transaction."""

import uuid

from backend.engine.declarations import insert
from backend.engine.ids import uuid7
from backend.engine.statements import Declared, compiled
from backend.moderation.models import ActionKind, Decision, ModerationAction, Report


def of_report(kind: ActionKind, report: Report, moderator_id: uuid.UUID, decision_id: uuid.UUID | None = None) -> None:
    """A step with a report, which has been written; `decision_id` is what it decided, if anything."""
    _keep(
        id=uuid7(),
        moderator=moderator_id,
        kind=kind.value,
        outcome=report.outcome,
        about=report.about_id,
        report=report.pk,
        decision=decision_id,
    )


def of_decision(kind: ActionKind, decision: Decision, moderator_id: uuid.UUID) -> None:
    """A step with a decision, which has been written."""
    _keep(
        id=uuid7(),
        moderator=moderator_id,
        kind=kind.value,
        outcome=decision.outcome,
        about=decision.about_id,
        report=decision.report_id,
        decision=decision.pk,
    )


@compiled
def _keep(
    *,
    id: uuid.UUID,
    moderator: uuid.UUID,
    kind: str,
    outcome: str | None,
    about: uuid.UUID,
    report: uuid.UUID,
    decision: uuid.UUID | None,
) -> Declared[ModerationAction]:
    return insert(
        ModerationAction,
        id=id,
        moderator_id=moderator,
        kind=kind,
        outcome=outcome,
        about_id=about,
        report_id=report,
        decision_id=decision,
    )
