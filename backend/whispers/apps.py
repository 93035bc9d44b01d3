"""The Django app `whispers`."""

from django.apps import AppConfig


class WhispersConfig(AppConfig):
    """The app config of `whispers`."""

    name = "backend.whispers"
    label = "whispers"
