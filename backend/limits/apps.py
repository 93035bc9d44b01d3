"""The Django app `limits`."""

from django.apps import AppConfig


class LimitsConfig(AppConfig):
    """The app config of `limits`."""

    name = "backend.limits"
    label = "limits"
