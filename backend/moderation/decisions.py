"""Writes to decisions: making one, the author's one appeal, judging that, and lifting a decision.

A decision, with the appeal against it, is one row, and each write is conditioned on its version. So of an appeal and a lift, and
of two moderators who judge one appeal, one happens and the other gets a conflict. What the decision does is undone first, in the
lock order of deletions; if the decision has changed, everything is rolled back.
"""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib.postgres.functions import TransactionNow
from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Now

from backend.engine.declarations import insert, select, update
from backend.engine.errors import FieldConflict, Forbidden, Invalid, NotFound, Refusal
from backend.engine.idempotency import Applied
from backend.engine.ids import uuid7
from backend.engine.statements import Declared, Json, compiled
from backend.engine.text import Checker
from backend.engine.versions import Expected, Seen, conflict, every_group, is_unchanged, stamped, unchanged
from backend.moderation import action_log
from backend.moderation.interest import in_decision
from backend.moderation.models import REASON_CHARACTERS, ActionKind, AppealOutcome, Decision, ReportOutcome
from backend.moderation.outcomes import Done, Ruling
from backend.moderation.undoing import undo
from backend.notifications.actions import tell
from backend.notifications.models import NotificationKind
from backend.people.errors import Suspended
from backend.people.models import Account, Person
from backend.stories.errors import Held

Written = tuple[Decision, Applied]

UNKNOWN_DECISION = "There is no such decision."
OWN = "This decision is against you: another moderator deals with it."
JUDGED_BY_ANOTHER = "You made this decision: another moderator judges the appeal against it."


def make(report_id: uuid.UUID, about_id: uuid.UUID, moderator_id: uuid.UUID, ruling: Ruling, done: Done) -> uuid.UUID:
    """Write down what was done to the subject, unless its author has left; returns the decision's id. The caller tells them."""
    id_ = uuid7()
    _make(
        id=id_,
        about=about_id,
        moderator=moderator_id,
        report=report_id,
        kind=done.kind,
        subject=done.subject,
        outcome=ruling.outcome.value,
        reason=ruling.reason,
        excerpt=done.excerpt,
        before=done.undone_by,
        length=ruling.length,
    )
    return id_


@compiled
def _make(
    *,
    id: uuid.UUID,
    about: uuid.UUID,
    moderator: uuid.UUID,
    report: uuid.UUID,
    kind: str,
    subject: uuid.UUID,
    outcome: str,
    reason: str,
    excerpt: str,
    before: Json,
    length: timedelta | None,
) -> Declared[Decision]:
    return insert(
        Decision,
        when=Exists(Person.objects.filter(pk=about, left_at__isnull=True)),
        id=id,
        about_id=about,
        moderator_id=moderator,
        report_id=report,
        kind=kind,
        subject=subject,
        outcome=outcome,
        reason=reason,
        excerpt=excerpt,
        before=before,
        until=TransactionNow() + length,
    )


def decided_so(report_id: uuid.UUID, ruling: Ruling) -> bool:
    """Whether this was decided when the report was resolved last; or nothing was, because its author has deleted the subject."""
    made = _made(report=report_id).row
    if made is None:
        return True
    days = None if made.until is None else round((made.until - made.decided_at) / timedelta(days=1))
    return (made.outcome, made.reason, days) == (ruling.outcome.value, ruling.reason, ruling.days)


@compiled
def _made(*, report: uuid.UUID) -> Declared[Decision]:
    return select(Decision.objects.filter(report_id=report).order_by("-decided_at", "-pk")[:1])


# --- Its author -------------------------------------------------------------------------------------------------


def appeal(decision_id: uuid.UUID, author_id: uuid.UUID, text: str, seen: Expected) -> Written:
    """Appeal a decision that is in force, once. Raises `Conflict`, `NotFound`, `Forbidden`, `Invalid`."""
    check = Checker()
    text = check.text("text", text, most=REASON_CHARACTERS)
    check.done()
    row = _appeal(decision=decision_id, author=author_id, text=text, seen=seen).row
    if row is not None:
        return row, Applied.WRITTEN
    present = _decision(decision=decision_id).row
    if present is None or present.about_id != author_id:
        raise NotFound(UNKNOWN_DECISION)
    _require_unchanged(present, seen, [FieldConflict("appeal", None, text, present.appeal or None)])
    if present.appeal == text:
        return present, Applied.NOOP
    raise _not_from(present)


@compiled
def _appeal(*, decision: uuid.UUID, author: uuid.UUID, text: str, seen: Expected) -> Declared[Decision]:
    return update(
        _unchanged(decision, seen).filter(about_id=author, lifted_at__isnull=True, appealed_at__isnull=True),
        appeal=text,
        appealed_at=Now(),
        **stamped(Decision, ["appeal"]),
    )


# --- Moderators -------------------------------------------------------------------------------------------------


def judge(
    decision_id: uuid.UUID, moderator_id: uuid.UUID, outcome: AppealOutcome, answer: str, seen: Expected
) -> Written:
    """Judge the appeal against a decision; OVERTURNED lifts it.

    Not by who made it, if there is another moderator who could. Raises `Conflict`, `NotFound`, `Forbidden`, `Invalid`.
    """
    check = Checker()
    answer = check.text("answer", answer, most=REASON_CHARACTERS, blank=True)
    check.done()
    if outcome is AppealOutcome.OVERTURNED:
        _undo(decision_id, moderator_id)
    row = _judge(outcome, decision=decision_id, moderator=moderator_id, answer=answer, seen=seen).row
    if row is not None:
        action_log.of_decision(ActionKind(outcome.value), row, moderator_id)
        tell(row.about_id, NotificationKind.APPEAL_JUDGED, decision=row.pk)
        return row, Applied.WRITTEN
    present = _present(decision_id, moderator_id)
    if present.moderator_id == moderator_id and _others_who_could(decision=decision_id, moderator=moderator_id).row:
        raise Forbidden(JUDGED_BY_ANOTHER)
    _require_unchanged(present, seen, [FieldConflict("appeal", None, outcome.value, present.appeal_outcome)])
    if present.appeal_outcome == outcome and present.answer == answer:
        return present, Applied.NOOP
    raise _not_from(present)


@compiled
def _judge(
    outcome: AppealOutcome, *, decision: uuid.UUID, moderator: uuid.UUID, answer: str, seen: Expected
) -> Declared[Decision]:
    lifts = outcome is AppealOutcome.OVERTURNED
    return update(
        _unchanged(decision, seen).filter(
            ~Q(moderator_id=moderator) | ~Exists(_who_could(OuterRef("about_id"), moderator)),
            ~in_decision(moderator),
            lifted_at__isnull=True,
            appealed_at__isnull=False,
            appeal_outcome__isnull=True,
        ),
        appeal_outcome=outcome.value,
        answer=answer,
        **({"lifted_at": Now()} if lifts else {}),
        **stamped(Decision, ["appeal", "state"] if lifts else ["appeal"]),
    )


def _who_could(about: Any, moderator: uuid.UUID) -> "QuerySet[Account]":
    """Other moderators than this one who could judge what is against somebody."""
    suspended = Q(suspended_until__isnull=False, suspended_until__gt=Now())
    moderators = Account.objects.filter(~suspended, is_moderator=True, is_active=True)
    return moderators.exclude(pk=moderator).exclude(pk=about)


@compiled
def _others_who_could(*, decision: uuid.UUID, moderator: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    about = Subquery(Decision.objects.filter(pk=decision).values("about_id"))
    return select(_who_could(about, moderator).values_list("pk")[:1])


def lift(decision_id: uuid.UUID, moderator_id: uuid.UUID, seen: Expected) -> Written:
    """Lift a decision that is in force, of which no appeal is to be judged.

    Raises `Conflict`, `NotFound`, `Forbidden`, `Invalid`.
    """
    _undo(decision_id, moderator_id)
    row = _lift(decision=decision_id, moderator=moderator_id, seen=seen).row
    if row is not None:
        action_log.of_decision(ActionKind.LIFTED, row, moderator_id)
        tell(row.about_id, NotificationKind.DECISION_LIFTED, decision=row.pk)
        return row, Applied.WRITTEN
    present = _present(decision_id, moderator_id)
    _require_unchanged(present, seen, [])
    if present.lifted_at is not None:
        return present, Applied.NOOP
    raise _not_from(present)


@compiled
def _lift(*, decision: uuid.UUID, moderator: uuid.UUID, seen: Expected) -> Declared[Decision]:
    judged = Q(appealed_at__isnull=True) | Q(appeal_outcome__isnull=False)
    return update(
        _unchanged(decision, seen).filter(judged, ~in_decision(moderator), lifted_at__isnull=True),
        lifted_at=Now(),
        **stamped(Decision, ["state"]),
    )


def _undo(decision_id: uuid.UUID, moderator_id: uuid.UUID) -> None:
    """Undo what the decision does, as far as this moderator may; the conditioned write after it refuses the rest."""
    found = _decision_for(decision=decision_id, moderator=moderator_id).row
    if found is not None and not found.is_own and found.lifted_at is None:  # type: ignore[attr-defined]
        undo(found)


# --- Helpers ----------------------------------------------------------------------------------------------------


def _unchanged(decision: uuid.UUID, seen: Seen) -> "QuerySet[Decision]":
    return Decision.objects.filter(unchanged(Decision, seen, every_group(Decision)), pk=decision)


@compiled
def _decision(*, decision: uuid.UUID) -> Declared[Decision]:
    return select(Decision.objects.filter(pk=decision))


@compiled
def _decision_for(*, decision: uuid.UUID, moderator: uuid.UUID) -> Declared[Decision]:
    """With `is_own`: whether the moderator has a part in it."""
    is_own = ExpressionWrapper(in_decision(moderator), BooleanField())
    return select(Decision.objects.filter(pk=decision).annotate(is_own=is_own))


def _present(decision_id: uuid.UUID, moderator_id: uuid.UUID) -> Decision:
    """The present decision. Raises `NotFound`, and `Forbidden` if it is against the moderator."""
    present = _decision_for(decision=decision_id, moderator=moderator_id).row
    if present is None:
        raise NotFound(UNKNOWN_DECISION)
    if present.is_own:  # type: ignore[attr-defined]
        raise Forbidden(OWN)
    return present


def _require_unchanged(present: Decision, seen: Expected, overlaps: Sequence[FieldConflict]) -> None:
    """Raise `Conflict` if the decision has changed since it was seen."""
    if not is_unchanged(present, seen, every_group(Decision)):
        changed = overlaps if not seen.has_seen(present.appeal_changed) else []
        raise conflict(present, seen=seen, thing=("decision", present.pk), overlaps=changed)


def _not_from(present: Decision) -> Refusal:
    """Why this step is not possible with the decision as it was seen."""
    if present.lifted_at is not None:
        return Invalid.one("id", "is of a decision that has been lifted.")
    if present.appeal_outcome is not None:
        return Invalid.one("id", "is of a decision whose one appeal has been judged.")
    if present.appealed_at is not None:
        return Invalid.one("id", "is of a decision that has been appealed: resolveAppeal judges that.")
    return Invalid.one("id", "is of a decision that nobody has appealed.")


def standing(refusal: Held | Suspended) -> Decision | None:
    """The decision because of which something was refused; None if it has been lifted since."""
    if isinstance(refusal, Held):
        return _standing(subject=refusal.story_id, outcome=refusal.outcome).row
    return _standing(subject=refusal.person_id, outcome=ReportOutcome.SUSPENDED.value).row


@compiled
def _standing(*, subject: uuid.UUID, outcome: str) -> Declared[Decision]:
    """Of several the one that lasts longest, or the first."""
    in_force = Decision.objects.filter(subject=subject, outcome=outcome, lifted_at__isnull=True)
    return select(in_force.order_by("-until", "decided_at", "pk")[:1])
