"""The Django app `market`."""

from django.apps import AppConfig


class MarketConfig(AppConfig):
    """The app config of `market`."""

    name = "backend.market"
    label = "market"
