"""Notifications in the admin, read-only."""

from django.contrib import admin

from backend.admin import ReadOnly
from backend.notifications.models import Announcement, Notification


@admin.register(Notification)
class NotificationAdmin(ReadOnly):
    """Notifications."""

    list_display = ("created_at", "person", "kind", "story", "day", "read_at", "version")
    list_filter = ("kind",)
    list_select_related = ("person", "story")


@admin.register(Announcement)
class AnnouncementAdmin(ReadOnly):
    """Progress of notifying followers of stories."""

    list_display = ("story", "publication", "reached_at", "done")
    list_filter = ("done",)
    list_select_related = ("story",)
