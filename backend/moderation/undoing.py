"""Undoes what a decision does that is lifted, unless another one that is in force does the same.

The subject is locked by a statement of its own before. So the one that looks for other decisions sees what whoever had it before
has left: a condition that waits for the lock would still see what there was before (PostgreSQL manual, section 13.2.1).
"""

import uuid
from datetime import datetime
from typing import Any

from django.db.models import Exists, Max, OuterRef, Q, QuerySet, Subquery

from backend.engine.declarations import update_all
from backend.engine.statements import Declared, compiled
from backend.engine.versions import stamped
from backend.moderation.models import Decision, ReportOutcome
from backend.moderation.screening import keep_findings
from backend.people.models import Account
from backend.stories import moderated
from backend.stories.models import Story
from backend.whispers import actions as whispers
from backend.whispers.models import Flag, Whisper

HELD_BY = {ReportOutcome.REMOVED: "held", ReportOutcome.MARKED_NSFW: "mature_held"}
"""The column of a story that each outcome sets."""


def undo(decision: Decision) -> None:
    """Let go what the decision holds; the caller then writes the decision itself. Of a suspension, the account is locked.

    A story stays a draft, and mature: what becomes of it is up to its author again. A whisper that was taken away comes back.
    What was deleted since stays deleted, and a whisper that its screening has flagged stays NSFW.
    """
    outcome = ReportOutcome(decision.outcome)
    if decision.kind == "story":
        moderated.lock(decision.subject)
        _let_go(HELD_BY[outcome], outcome.value, story=decision.subject, decision=decision.pk)
    elif decision.kind == "whisper":
        _undo_of_whisper(decision, outcome)
    elif outcome is ReportOutcome.SUSPENDED:
        _let_write(person=decision.about_id, decision=decision.pk)


def _others(subject: Any, outcome: str, decision: uuid.UUID) -> "QuerySet[Decision]":
    """Other decisions of this kind about the same that are in force."""
    return Decision.objects.filter(subject=subject, outcome=outcome, lifted_at__isnull=True).exclude(pk=decision)


@compiled
def _let_go(column: str, outcome: str, *, story: uuid.UUID, decision: uuid.UUID) -> Declared[Story]:
    held = Story.objects.filter(~Exists(_others(story, outcome, decision)), pk=story, **{column: True})
    return update_all(held, **{column: False}, **stamped(Story, ["holds"]))


@compiled
def _let_write(*, person: uuid.UUID, decision: uuid.UUID) -> Declared[Account]:
    latest = _others(OuterRef("pk"), ReportOutcome.SUSPENDED.value, decision).order_by().values("subject")
    until = latest.annotate(latest=Max("until")).values("latest")
    return update_all(Account.objects.filter(pk=person), suspended_until=Subquery(until))


def _undo_of_whisper(decision: Decision, outcome: ReportOutcome) -> None:
    if outcome is ReportOutcome.REMOVED:
        _bring_back(decision)
    else:
        whispers.lock(decision.subject)
        _unmark(whisper=decision.subject, decision=decision.pk)


def _bring_back(decision: Decision) -> None:
    """What had marked the whisper may have been lifted while it was away, and the policy may have changed."""
    before = decision.before
    assert before is not None
    former = whispers.Former(**{**before, "created_at": datetime.fromisoformat(before["created_at"])})
    back, flag, found = whispers.bring_back(decision.subject, decision.about_id, decision.excerpt, former)
    _unmark(whisper=decision.subject, decision=decision.pk)
    if found is not None and back.row is not None:
        whispers.mark_nsfw(whispers=[decision.subject])
        keep_findings([(back.row, flag, found)])


@compiled
def _unmark(*, whisper: uuid.UUID, decision: uuid.UUID) -> Declared[Whisper]:
    by_moderators = Decision.objects.filter(
        subject=whisper, outcome=ReportOutcome.MARKED_NSFW.value, before__nsfw=False
    )
    marked = Whisper.objects.filter(
        Q(Exists(by_moderators)),  # and not by its author
        ~Exists(Flag.objects.filter(pk=OuterRef("pk"))),
        ~Exists(_others(whisper, ReportOutcome.MARKED_NSFW.value, decision)),
        pk=whisper,
        nsfw=True,
    )
    return update_all(marked, nsfw=False, **stamped(Whisper, ["nsfw"]))
