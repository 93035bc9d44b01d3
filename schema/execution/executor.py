"""graphql-core's executor, for what no statement answers: it ends when its answer has too many fields or its time is over."""

from collections.abc import Awaitable, Container
from typing import Any, TypeGuard

from graphql import Executor, GraphQLObjectType, default_field_resolver, default_type_resolver
from graphql.pyutils import Path

from schema.context import Context
from schema.execution.counting import FieldCount
from schema.execution.graphql_schema import GRAPHQL
from schema.execution.operations import Selection


class LimitedExecutor(Executor[None]):
    """Counts the fields of the answer while it makes it, and looks at the limits again and again."""

    only: Container[str]
    """The response names of the root fields that are executed."""
    count: FieldCount

    @classmethod
    def of(cls, selection: Selection, context: Context, only: Container[str]) -> "LimitedExecutor":
        """The executor of these root fields of a query."""
        operation, fragments = selection.operation.node, selection.operation.fragments
        executor = cls(
            GRAPHQL,
            {name: one.definition for name, one in fragments.items()},
            fragments,
            None,
            context,
            operation,
            selection.values,
            default_field_resolver,
            default_type_resolver,
            default_field_resolver,
            is_awaitable=_never,
            hide_suggestions=True,
        )
        executor.only, executor.count = only, FieldCount()
        return executor

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: Any,
        position_context: None,
    ) -> Any:
        """Execute the fields of one object. Raises `Stopped`."""
        self.count.add(len(grouped_field_set))
        if path is None:
            grouped_field_set = {name: one for name, one in grouped_field_set.items() if name in self.only}
        return super().execute_fields(parent_type, source_value, path, grouped_field_set, position_context)


def _never(_value: object) -> TypeGuard[Awaitable[Any]]:
    """Execution is synchronous, so no value is awaitable."""
    return False
