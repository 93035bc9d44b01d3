"""The Django app `stories`."""

from django.apps import AppConfig


class StoriesConfig(AppConfig):
    """The app config of `stories`."""

    name = "backend.stories"
    label = "stories"
