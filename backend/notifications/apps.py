"""Makes `notifications` an app of Django."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """The rows and rules of `notifications`."""

    name = "backend.notifications"
    label = "notifications"
