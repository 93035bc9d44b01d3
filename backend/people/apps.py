"""The Django app `people`."""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """The app config of `people`."""

    name = "backend.people"
    label = "people"
