"""Moderation's part of deletions: reports whose subject is deleted, or with a person who leaves."""

import uuid
from collections.abc import Sequence
from functools import reduce
from operator import or_

from django.db.models import Case, CharField, F, Q, QuerySet, UUIDField, Value, When
from django.db.models.functions import Coalesce

from backend.engine.declarations import IsAny, delete_all, update_all
from backend.engine.statements import Declared, compiled
from backend.engine.versions import stamped
from backend.moderation import evidence
from backend.moderation.models import DailyReports, Decision, Evidence, Report, ReportOutcome, ReportStatus
from backend.stories.models import Chapter

SWEEP_STAGE = 70
SWEPT_COLUMNS = {
    "moderation_report": ("about_id", "reporter_id", "claimed_by_id"),
    "moderation_dailyreports": ("reporter_id",),
    "moderation_evidence": ("about_id",),
    "moderation_decision": ("about_id",),
}


RESOLVED = {
    "status": ReportStatus.RESOLVED,
    "outcome": Coalesce("outcome", Value(ReportOutcome.REMOVED.value)),
}
"""What becomes of a report when its subject is deleted; one that was resolved keeps its outcome."""
NOT_BURIED = {"buried": None, "buried_in": None, "buried_open": None}


def story_deleted(story_id: uuid.UUID, chapter_ids: Sequence[uuid.UUID]) -> None:
    """Resolve reports of the story and of its chapters; of those that were deleted before nothing comes back."""
    resolve_reports(story=[story_id], chapter=chapter_ids)


def chapter_deleted(chapter: Chapter, remaining: Sequence[uuid.UUID]) -> None:  # noqa: ARG001
    """Resolve reports of the chapter. They keep what it was, because it can be restored: see `chapter_restored`."""
    _bury(chapter=chapter.pk, story=chapter.story_id)


@compiled
def _bury(*, chapter: uuid.UUID, story: uuid.UUID) -> Declared[Report]:
    return update_all(
        _in_order(Report.objects.filter(chapter_id=chapter)),
        chapter_id=None,
        buried=chapter,
        buried_in=story,
        buried_open=Case(When(status=ReportStatus.RESOLVED, then=Value(False)), default=Value(True)),
        **RESOLVED,
        **stamped(Report, ["state"]),
    )


def chapter_restored(chapter: Chapter) -> None:
    """Let the reports of the chapter come back with it: those that nobody had resolved are open again.

    Its author has locked the story, so nobody reports it or deletes it meanwhile.
    """
    _come_back(chapter=chapter.pk)


@compiled
def _come_back(*, chapter: uuid.UUID) -> Declared[Report]:
    opened = {
        "status": Value(ReportStatus.OPEN.value),
        "outcome": Value(None, output_field=CharField()),
        "claimed_by_id": Value(None, output_field=UUIDField()),
    }
    values = {name: Case(When(buried_open=True, then=then), default=F(name)) for name, then in opened.items()}
    return update_all(
        _in_order(Report.objects.filter(buried=chapter)),
        chapter_id=chapter,
        **values,
        **NOT_BURIED,
        **stamped(Report, ["state"]),
    )


def whispers_deleted(whisper_ids: Sequence[uuid.UUID]) -> None:
    """Resolve reports of the whispers."""
    resolve_reports(whisper=whisper_ids)


def resolve_reports(**gone: Sequence[uuid.UUID]) -> None:
    """Resolve the reports of deleted things. `gone` has their ids by kind.

    The reports themselves stay, without what the things were when they were reported. The caller has locked the things, so nobody
    can add a report meanwhile. Reports are locked in the order of their ids, like in `sweep_person`, which avoids deadlocks.
    """
    evidence.forget(gone)
    _resolve(tuple(gone), things=[id_ for ids in gone.values() for id_ in ids])


@compiled
def _resolve(kinds: tuple[str, ...], *, things: list[uuid.UUID]) -> Declared[Report]:
    columns = [f"{kind}_id" for kind in kinds] + (["buried_in"] if "story" in kinds else [])
    of_them = Report.objects.filter(reduce(or_, (Q(IsAny(column, things)) for column in columns)))
    return update_all(
        _in_order(of_them),
        **{f"{kind}_id": None for kind in kinds},
        **(NOT_BURIED if "story" in kinds else {}),
        evidence_id=None,
        **RESOLVED,
        **stamped(Report, ["state"]),
    )


def _in_order(reports: "QuerySet[Report]") -> "QuerySet[Report]":
    """These reports, locked in the order of their ids."""
    return Report.objects.filter(pk__in=reports.order_by("pk").select_for_update(no_key=True).values("pk"))


def sweep_person(person_id: uuid.UUID, limit: int) -> bool:
    """Delete up to `limit` reports by or about a person who has left, with what was kept for those alone, then what else was
    kept of theirs, the decisions against them, and their days; returns whether there may be more.

    Reports that they had claimed as a moderator are open again; those that they resolved stay resolved.
    """
    for side, order in (("reporter_id", "created_at"), ("about_id", "pk")):
        found = _some(side, person_id, order, limit)
        if found:
            evidence.forget_with(found)
            delete_all(_held(found, side, person_id)).run()
            return True
    for model in (Evidence, Decision):
        kept = model.objects.filter(about_id=person_id).order_by("pk")
        some = list(kept.values_list("pk", flat=True)[:limit])
        if some:
            delete_all(model.objects.filter(pk__in=some)).run()
            return True
    found = _some("claimed_by_id", person_id, "pk", limit)
    if not found:
        return _sweep_days(person_id, limit)
    claimed, state = _held(found, "claimed_by_id", person_id), stamped(Report, ["state"])
    opened = {"status": ReportStatus.OPEN, "claimed_by_id": None}
    update_all(claimed.filter(status=ReportStatus.CLAIMED), **opened, **state).run()
    update_all(claimed.filter(status=ReportStatus.RESOLVED), claimed_by_id=None, **state).run()
    return True


def _sweep_days(person_id: uuid.UUID, limit: int) -> bool:
    days = DailyReports.objects.filter(reporter_id=person_id)
    some = list(days.order_by("day").values_list("day", flat=True)[:limit])
    if some:
        delete_all(days.filter(day__in=some)).run()
    return bool(some)


def _some(side: str, person_id: uuid.UUID, order: str, limit: int) -> list[uuid.UUID]:
    return list(Report.objects.filter(**{side: person_id}).order_by(order).values_list("pk", flat=True)[:limit])


def _held(found: Sequence[uuid.UUID], side: str, person_id: uuid.UUID) -> "QuerySet[Report]":
    """Lock, in the order of ids, the reports among these that still belong to the person."""
    held = Report.objects.filter(pk__in=found, **{side: person_id})
    list(held.order_by("pk").select_for_update().values_list("pk"))
    return held
