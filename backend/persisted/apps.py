"""The Django app `persisted`."""

from django.apps import AppConfig


class PersistedConfig(AppConfig):
    """The app config of `persisted`."""

    name = "backend.persisted"
    label = "persisted"
