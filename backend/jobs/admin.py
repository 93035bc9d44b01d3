"""Dead letters in the admin: jobs that have failed for the last time, why, and running them again.

All other jobs have procrastinate's own pages there.
"""

from django.contrib import admin, messages
from django.db.models import Max, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.exceptions import ConnectorException

from backend.admin import ReadOnly
from backend.jobs.models import DeadLetter, Failure


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnly):
    """Jobs that nobody tries again unless somebody says so here."""

    list_display = ("id", "task_name", "args", "attempts", "failed_at", "error")
    list_filter = ("task_name",)
    fields = ("task_name", "args", "attempts", "failed_at", "error")
    ordering = ("-id",)
    actions = ("run_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadLetter]:
        """Those alone, with why they failed."""
        error = Failure.objects.filter(pk=OuterRef("pk")).values("error")
        failed_at = Max("procrastinateevent__at", filter=Q(procrastinateevent__type="failed"))
        found = super().get_queryset(request).filter(status="failed")
        return found.annotate(error=Subquery(error), failed_at=failed_at)

    @admin.display(description="Last error")
    def error(self, letter: DeadLetter) -> str:
        """Why it failed, in so far as it may be shown; the log has the rest."""
        return getattr(letter, "error", None) or "unknown"

    @admin.display(description="Failed at", ordering="failed_at")
    def failed_at(self, letter: DeadLetter) -> object:
        """When that was."""
        return getattr(letter, "failed_at", None)

    @admin.action(description="Run again")
    def run_again(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> None:
        """One more attempt for each; whoever fails it is a dead letter again."""
        again = 0
        for letter in letters:
            try:
                app.job_manager.retry_job_by_id(letter.pk, timezone.now())
                again += 1
            except ConnectorException:  # somebody else has just said so, or removed it
                continue
        self.message_user(request, f"{again} will be run again.", messages.SUCCESS)
