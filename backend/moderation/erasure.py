"""What becomes of reports when their subject is deleted, for whatever reason, or a person in them leaves."""

import uuid
from collections.abc import Sequence
from functools import reduce
from operator import or_

from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Coalesce

from backend.engine.versions import remove_all, stamped, write_all
from backend.moderation.models import Report, ReportOutcome, ReportStatus
from backend.stories.models import Chapter

SWEEP_STAGE = 70
SWEPT_COLUMNS = {"moderation_report": ("about_id", "reporter_id", "claimed_by_id")}


def story_deleted(story_id: uuid.UUID, chapter_ids: Sequence[uuid.UUID]) -> None:
    """Reports of the story and of its chapters are resolved."""
    resolve_reports(story=[story_id], chapter=chapter_ids)


def chapter_deleted(chapter: Chapter, remaining: Sequence[uuid.UUID]) -> None:  # noqa: ARG001
    """Reports of the chapter are resolved."""
    resolve_reports(chapter=[chapter.pk])


def whispers_deleted(whisper_ids: Sequence[uuid.UUID]) -> None:
    """Reports of the whispers are resolved."""
    resolve_reports(whisper=whisper_ids)


def resolve_reports(**gone: Sequence[uuid.UUID]) -> None:
    """Resolve the reports of things that are gone: nobody need look at them any more. `gone` has their ids by kind.

    The reports stay, with whom they were about, what was said, and what had come of them before. The deletion holds the
    things, so nobody adds a report meanwhile. They are locked in the order of their ids, as by whoever takes them away with
    one of their reporters.
    """
    of_them = Report.objects.filter(reduce(or_, (Q(**{f"{kind}_id__in": ids}) for kind, ids in gone.items())))
    write_all(
        Report.objects.filter(pk__in=of_them.order_by("pk").select_for_update(no_key=True).values("pk")),
        **{f"{kind}_id": None for kind in gone},
        status=ReportStatus.RESOLVED,
        outcome=Coalesce("outcome", Value(ReportOutcome.REMOVED.value)),
        **stamped(Report, ["state"]),
    )


def sweep_person(person_id: uuid.UUID, limit: int) -> bool:
    """Take away so many reports by and about somebody who has left, whose things are gone; returns whether there may be more.

    Reports that they were to settle as a moderator are open again; those that they have settled stay so.
    """
    for side, order in (("reporter_id", "created_at"), ("about_id", "pk")):
        found = _some(side, person_id, order, limit)
        if found:
            remove_all(_held(found, side, person_id))
            return True
    found = _some("claimed_by_id", person_id, "pk", limit)
    claimed, state = _held(found, "claimed_by_id", person_id), stamped(Report, ["state"])
    write_all(claimed.filter(status=ReportStatus.CLAIMED), status=ReportStatus.OPEN, claimed_by_id=None, **state)
    write_all(claimed.filter(status=ReportStatus.RESOLVED), claimed_by_id=None, **state)
    return bool(found)


def _some(side: str, person_id: uuid.UUID, order: str, limit: int) -> list[uuid.UUID]:
    return list(Report.objects.filter(**{side: person_id}).order_by(order).values_list("pk", flat=True)[:limit])


def _held(found: Sequence[uuid.UUID], side: str, person_id: uuid.UUID) -> "QuerySet[Report]":
    """The reports among these ids that are the person's still, locked in the order of their ids."""
    held = Report.objects.filter(pk__in=found, **{side: person_id})
    list(held.order_by("pk").select_for_update().values_list("pk"))
    return held
