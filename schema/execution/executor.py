"""graphql-core's executor, which ends when the time of the request is over or its client has gone."""

from typing import Any

from graphql import Executor, GraphQLObjectType
from graphql.pyutils import Path

from backend.engine import deadline
from schema.execution.errors import Stopped

FIELDS_BETWEEN_CHECKS = 500
"""A few milliseconds. An answer with fewer fields, such as a refusal, is told even if the time is over meanwhile."""


class LimitedExecutor(Executor[None]):
    """Looks at the deadline again and again while it makes the answer."""

    unchecked = 0
    """The fields since the last look."""

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: Any,
        position_context: None,
    ) -> Any:
        """Execute the fields of one object. Raises `Stopped`."""
        self.unchecked += len(grouped_field_set)
        if self.unchecked >= FIELDS_BETWEEN_CHECKS:
            self.unchecked = 0
            if deadline.refused() is not None:
                raise Stopped
        return super().execute_fields(parent_type, source_value, path, grouped_field_set, position_context)
