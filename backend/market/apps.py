"""Makes `market` an app of Django."""

from django.apps import AppConfig


class MarketConfig(AppConfig):
    """The rows and rules of `market`."""

    name = "backend.market"
    label = "market"
