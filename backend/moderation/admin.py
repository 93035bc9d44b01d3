"""Reports in the admin, read-only. Moderators act on them through the API, which records who acted."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from backend.admin import ReadOnly
from backend.moderation.models import Report


@admin.register(Report)
class ReportAdmin(ReadOnly):
    """Reports, but for those about whoever looks."""

    list_display = ("created_at", "about", "reason", "status", "outcome", "claimed_by", "reporter", "version")
    list_filter = ("status", "outcome")
    list_select_related = ("about", "claimed_by", "reporter")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Report]:
        """The reports about others."""
        return super().get_queryset(request).exclude(about_id=request.user.pk)
