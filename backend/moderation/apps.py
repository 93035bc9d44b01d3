"""The Django app `moderation`."""

from django.apps import AppConfig


class ModerationConfig(AppConfig):
    """The app config of `moderation`."""

    name = "backend.moderation"
    label = "moderation"
