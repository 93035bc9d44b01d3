"""The Django app of live updates."""

from django.apps import AppConfig


class LiveConfig(AppConfig):
    """Who has what open, between the processes."""

    name = "backend.live"
    label = "live"
