"""Makes `social` an app of Django."""

from django.apps import AppConfig


class SocialConfig(AppConfig):
    """The rows and rules of `social`."""

    name = "backend.social"
    label = "social"
