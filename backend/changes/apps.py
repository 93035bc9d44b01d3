"""The Django app of the change log."""

from django.apps import AppConfig


class ChangesConfig(AppConfig):
    """The change log, and what was pruned of it."""

    name = "backend.changes"
    label = "changes"
