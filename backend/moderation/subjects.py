"""What becomes of reports whose subject is deleted: in the same transaction, whoever deletes it and for whatever reason."""

import uuid
from collections.abc import Sequence

from django.db.models import Value
from django.db.models.functions import Coalesce

from backend.engine.versions import stamped, write_all
from backend.moderation.models import Report, ReportOutcome, ReportStatus


def forget(kind: str, ids: Sequence[uuid.UUID]) -> None:
    """Resolve the reports of these things, which are gone: nobody need look at them any more.

    The reports stay, with whom they were about, what was said, and what had come of them before. `kind` is a field of
    `Report`. The deletion holds the things, so nobody adds a report meanwhile.
    """
    write_all(
        Report.objects.filter(**{f"{kind}_id__in": ids}),
        **{f"{kind}_id": None},
        status=ReportStatus.RESOLVED,
        outcome=Coalesce("outcome", Value(ReportOutcome.REMOVED.value)),
        **stamped(Report, ["state"]),
    )
