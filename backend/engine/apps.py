"""The Django app of the engine, for its one table."""

from django.apps import AppConfig


class EngineConfig(AppConfig):
    """The engine: optimistic locking, units of work, idempotency keys, tallies."""

    name = "backend.engine"
    label = "engine"
