"""The Django app `jobs`."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """The app config of `jobs`."""

    name = "backend.jobs"
    label = "jobs"
