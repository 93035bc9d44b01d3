"""Registers the page /together with Django, so that its template and static files are found."""

from django.apps import AppConfig


class TogetherConfig(AppConfig):
    """The page's app config; it has no models."""

    name = "schema.server.together"
    label = "together"
    verbose_name = "Two people at one story"
