"""Reports, decisions and the log in the admin, read-only. Moderators act through the API, which records who acted."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from backend.admin import ReadOnly
from backend.moderation.models import Decision, ModerationAction, Report


class OfOthers(ReadOnly):
    """Rows about others than whoever looks."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Without those about them."""
        return super().get_queryset(request).exclude(about_id=request.user.pk)


@admin.register(Report)
class ReportAdmin(OfOthers):
    """Reports, but for those about whoever looks."""

    list_display = ("created_at", "about", "reason", "status", "outcome", "claimed_by", "reporter", "version")
    list_filter = ("status", "outcome")
    list_select_related = ("about", "claimed_by", "reporter")


@admin.register(Decision)
class DecisionAdmin(OfOthers):
    """Decisions, but for those against whoever looks."""

    list_display = (
        "decided_at",
        "about",
        "outcome",
        "excerpt",
        "moderator",
        "until",
        "lifted_at",
        "appeal_outcome",
        "version",
    )
    list_filter = ("outcome", "appeal_outcome")
    list_select_related = ("about", "moderator")


@admin.register(ModerationAction)
class ModerationActionAdmin(OfOthers):
    """The log of what moderators did, but for what was about whoever looks."""

    list_display = ("at", "moderator", "kind", "outcome", "report_id", "decision_id")
    list_filter = ("kind", "outcome")
    list_select_related = ("moderator",)
