"""Reports in the admin, read-only. Moderators act on them through the API, which records who acted."""

from django.contrib import admin

from backend.admin import ReadOnly
from backend.moderation.models import Report


@admin.register(Report)
class ReportAdmin(ReadOnly):
    """Reports."""

    list_display = ("created_at", "about", "reason", "status", "outcome", "claimed_by", "reporter", "version")
    list_filter = ("status", "outcome")
    list_select_related = ("about", "claimed_by", "reporter")
