"""The Django app `reading`."""

from django.apps import AppConfig


class ReadingConfig(AppConfig):
    """The app config of `reading`."""

    name = "backend.reading"
    label = "reading"
