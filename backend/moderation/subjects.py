"""What becomes of reports whose subject is deleted: in the same transaction, whoever deletes it and for whatever reason."""

import uuid
from collections.abc import Sequence
from functools import reduce
from operator import or_

from django.db.models import Q, Value
from django.db.models.functions import Coalesce

from backend.engine.versions import stamped, write_all
from backend.moderation.models import Report, ReportOutcome, ReportStatus


def forget(**gone: Sequence[uuid.UUID]) -> None:
    """Resolve the reports of things that are gone: nobody need look at them any more. `gone` has their ids by kind.

    The reports stay, with whom they were about, what was said, and what had come of them before. The deletion holds the
    things, so nobody adds a report meanwhile.
    """
    of_them = reduce(or_, (Q(**{f"{kind}_id__in": ids}) for kind, ids in gone.items()))
    write_all(
        Report.objects.filter(of_them),
        **{f"{kind}_id": None for kind in gone},
        status=ReportStatus.RESOLVED,
        outcome=Coalesce("outcome", Value(ReportOutcome.REMOVED.value)),
        **stamped(Report, ["state"]),
    )
