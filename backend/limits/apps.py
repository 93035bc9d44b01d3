"""The Django app `limits`."""

from django.apps import AppConfig


class LimitsConfig(AppConfig):
    """The rows and rules of `limits`."""

    name = "backend.limits"
    label = "limits"
