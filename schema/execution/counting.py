"""Ends an answer that is made in Python when it has too many fields, its time is over or its client has gone."""

from django.conf import settings

from backend.engine import deadline
from schema.execution.errors import Stopped

FIELDS_BETWEEN_CHECKS = 500
"""A few milliseconds. An answer with fewer fields, such as a refusal, is told even if the time is over meanwhile."""


class FieldCount:
    """How many fields one answer has so far."""

    def __init__(self) -> None:
        self.found = self._checked = 0

    @property
    def exceeded(self) -> bool:
        """Whether they are more than any answer may have."""
        return self.found > settings.MAX_COST

    def add(self, fields: int) -> None:
        """Count those of one object, and look at the limits again and again. Raises `Stopped`."""
        self.found += fields
        if self.found >= self._checked + FIELDS_BETWEEN_CHECKS:
            self._checked = self.found
            if self.exceeded or deadline.refused() is not None:
                raise Stopped
