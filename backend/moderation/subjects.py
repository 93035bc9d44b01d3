"""What becomes of reports whose subject is deleted: in the same transaction, whoever deletes it and for whatever reason."""

import uuid
from collections.abc import Sequence
from functools import reduce
from operator import or_

from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Coalesce

from backend.engine.versions import remove_all, stamped, write_all
from backend.moderation.models import Report, ReportOutcome, ReportStatus


def forget(**gone: Sequence[uuid.UUID]) -> None:
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


def forget_reports(person_id: uuid.UUID, most: int) -> bool:
    """Take away so many reports by and about somebody who has left, whose things are gone; whether there may be more.

    Reports that they were to settle as a moderator are open again; those that they have settled stay so.
    """
    for side, order in (("reporter_id", "created_at"), ("about_id", "pk")):
        found = _some(side, person_id, order, most)
        if found:
            remove_all(_held(found, side, person_id))
            return True
    found = _some("claimed_by_id", person_id, "pk", most)
    claimed, state = _held(found, "claimed_by_id", person_id), stamped(Report, ["state"])
    write_all(claimed.filter(status=ReportStatus.CLAIMED), status=ReportStatus.OPEN, claimed_by_id=None, **state)
    write_all(claimed.filter(status=ReportStatus.RESOLVED), claimed_by_id=None, **state)
    return bool(found)


def _some(side: str, person_id: uuid.UUID, order: str, most: int) -> list[uuid.UUID]:
    return list(Report.objects.filter(**{side: person_id}).order_by(order).values_list("pk", flat=True)[:most])


def _held(found: Sequence[uuid.UUID], side: str, person_id: uuid.UUID) -> "QuerySet[Report]":
    """Those of these reports that are the person's still, locked in the order of their ids."""
    held = Report.objects.filter(pk__in=found, **{side: person_id})
    list(held.order_by("pk").select_for_update().values_list("pk"))
    return held
