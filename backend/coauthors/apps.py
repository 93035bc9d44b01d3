"""The Django app `coauthors`."""

from django.apps import AppConfig


class CoauthorsConfig(AppConfig):
    """The app config of `coauthors`."""

    name = "backend.coauthors"
    label = "coauthors"
