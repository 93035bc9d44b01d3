"""Registers the explorer with Django, so that its templates and static files are found."""

from django.apps import AppConfig


class ExplorerConfig(AppConfig):
    """The explorer's app config; it has no models."""

    name = "schema.server.explorer"
    label = "explorer"
    verbose_name = "GraphiQL, the start page and the documentation"
