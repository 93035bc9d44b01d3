"""Removes jobs that have ended, so that the queue's tables stay small."""

from django.db.models import Exists, OuterRef
from procrastinate import sql
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.contrib.django.models import ProcrastinateJob

from backend.jobs.models import Failure

KEPT_HOURS = 24
"""How long a successful job is kept."""
DEAD_LETTER_HOURS = 30 * 24
"""How long a failed job is kept, so that somebody can run it again."""


def remove_finished() -> None:
    """Remove jobs whose time has passed, and the stored failures of jobs that no longer exist."""
    for hours, statuses in ((KEPT_HOURS, ["succeeded"]), (DEAD_LETTER_HOURS, ["failed", "cancelled", "aborted"])):
        DjangoConnector().execute_query(
            query=sql.queries["delete_old_jobs"], nb_hours=hours, queue=None, statuses=statuses
        )
    Failure.objects.filter(~Exists(ProcrastinateJob.objects.filter(pk=OuterRef("pk")))).delete()
