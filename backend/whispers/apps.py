"""Makes `whispers` an app of Django."""

from django.apps import AppConfig


class WhispersConfig(AppConfig):
    """The rows and rules of `whispers`."""

    name = "backend.whispers"
    label = "whispers"
