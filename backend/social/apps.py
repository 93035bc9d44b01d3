"""The Django app `social`."""

from django.apps import AppConfig


class SocialConfig(AppConfig):
    """The app config of `social`."""

    name = "backend.social"
    label = "social"
