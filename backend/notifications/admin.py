"""Notifications in the admin: to be looked at."""

from django.contrib import admin

from backend.admin import ReadOnly
from backend.notifications.models import Announcement, Notification


@admin.register(Notification)
class NotificationAdmin(ReadOnly):
    """Who was told of what."""

    list_display = ("created_at", "person", "kind", "story", "day", "read_at", "version")
    list_filter = ("kind",)
    list_select_related = ("person", "story")


@admin.register(Announcement)
class AnnouncementAdmin(ReadOnly):
    """How far the telling of stories has come."""

    list_display = ("story", "publication", "reached_at", "done")
    list_filter = ("done",)
    list_select_related = ("story",)
