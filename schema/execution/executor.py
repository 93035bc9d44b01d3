"""graphql-core's executor, which ends when its answer has too many fields, its time is over or the client has gone."""

from typing import Any

from django.conf import settings
from graphql import Executor, GraphQLObjectType
from graphql.pyutils import Path

from backend.engine import deadline
from schema.execution.errors import Stopped

FIELDS_BETWEEN_CHECKS = 500
"""A few milliseconds. An answer with fewer fields, such as a refusal, is told even if the time is over meanwhile."""


class LimitedExecutor(Executor[None]):
    """Counts the fields of the answer while it makes it, and looks at the limits again and again."""

    fields = 0
    """How many fields the answer has so far."""
    checked = 0
    """How many it had at the last look."""

    @property
    def exceeded(self) -> bool:
        """Whether the answer has more fields than any may have."""
        return self.fields > settings.MAX_COST

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: Any,
        position_context: None,
    ) -> Any:
        """Execute the fields of one object. Raises `Stopped`."""
        self.fields += len(grouped_field_set)
        if self.fields >= self.checked + FIELDS_BETWEEN_CHECKS:
            self.checked = self.fields
            if self.exceeded or deadline.refused() is not None:
                raise Stopped
        return super().execute_fields(parent_type, source_value, path, grouped_field_set, position_context)
