"""Makes `people` an app of Django."""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """The rows and rules of `people`."""

    name = "backend.people"
    label = "people"
