"""Notifications in the admin, read-only."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from backend.admin import ReadOnly
from backend.notifications.models import Announcement, Notification, NotificationKind


@admin.register(Notification)
class NotificationAdmin(ReadOnly):
    """Notifications, but for those of a report that was resolved: they name who reported, also to whom it was about."""

    list_display = ("created_at", "person", "kind", "story", "day", "read_at", "version")
    list_filter = ("kind",)
    list_select_related = ("person", "story")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Without those of reports by others."""
        by_others = Q(kind=NotificationKind.REPORT_RESOLVED) & ~Q(person=request.user.pk)
        return super().get_queryset(request).exclude(by_others)


@admin.register(Announcement)
class AnnouncementAdmin(ReadOnly):
    """Progress of notifying followers of stories."""

    list_display = ("story", "publication", "reached_at", "done")
    list_filter = ("done",)
    list_select_related = ("story",)
