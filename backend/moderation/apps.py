"""Makes `moderation` an app of Django."""

from django.apps import AppConfig


class ModerationConfig(AppConfig):
    """The rows and rules of `moderation`."""

    name = "backend.moderation"
    label = "moderation"
