"""Dead letters in the admin: jobs that failed for the last time, why, and an action to run them again.

Other jobs are on procrastinate's own admin pages.
"""

from django.contrib import admin, messages
from django.db.models import Max, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from procrastinate.jobs import Status

from backend.admin import ReadOnly
from backend.jobs.models import DeadLetter, Failure
from backend.jobs.queue import run_again


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnly):
    """Jobs that are not retried unless staff ask for it here."""

    list_display = ("id", "task_name", "args", "attempts", "failed_at", "error")
    list_filter = ("task_name",)
    fields = ("task_name", "args", "attempts", "failed_at", "error")
    ordering = ("-id",)
    actions = ("run_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadLetter]:
        """Dead letters with their errors."""
        error = Failure.objects.filter(pk=OuterRef("pk")).values("error")
        failed_at = Max("procrastinateevent__at", filter=Q(procrastinateevent__type="failed"))
        found = super().get_queryset(request).filter(status="failed")
        return found.annotate(error=Subquery(error), failed_at=failed_at)

    @admin.display(description="Last error")
    def error(self, letter: DeadLetter) -> str:
        """Why it failed, without user data; the log has more."""
        return getattr(letter, "error", None) or "unknown"

    @admin.display(description="Failed at", ordering="failed_at")
    def failed_at(self, letter: DeadLetter) -> object:
        """When it failed for the last time."""
        return getattr(letter, "failed_at", None)

    @admin.action(description="Run again")
    def run_again(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> None:
        """Retry each once; a job that fails again is a dead letter again."""
        again = 0
        for letter in letters:
            again += run_again(letter.pk, letter.attempts, Status.FAILED)  # unless somebody else was faster
        self.message_user(request, f"{again} will be run again.", messages.SUCCESS)
