"""The Django app `notifications`."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """The app config of `notifications`."""

    name = "backend.notifications"
    label = "notifications"
