"""Makes `reading` an app of Django."""

from django.apps import AppConfig


class ReadingConfig(AppConfig):
    """The rows and rules of `reading`."""

    name = "backend.reading"
    label = "reading"
