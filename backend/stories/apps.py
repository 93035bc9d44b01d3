"""Makes `stories` an app of Django."""

from django.apps import AppConfig


class StoriesConfig(AppConfig):
    """The rows and rules of `stories`."""

    name = "backend.stories"
    label = "stories"
