"""The Django app `jobs`."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """The rows and rules of `jobs`."""

    name = "backend.jobs"
    label = "jobs"
