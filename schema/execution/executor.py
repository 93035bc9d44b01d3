"""graphql-core's executor, which ends when its answer has too many fields, its time is over or the client has gone."""

from collections.abc import Awaitable, Container
from typing import Any, TypeGuard

from django.conf import settings
from graphql import Executor, GraphQLObjectType, GraphQLResolveInfo, default_field_resolver, default_type_resolver
from graphql.execution.collect_fields import FieldDetails
from graphql.pyutils import Path

from backend.engine import deadline
from schema.context import Context
from schema.execution.errors import Stopped
from schema.execution.graphql_schema import GRAPHQL
from schema.execution.operations import Selection
from schema.execution.parts import TooLarge
from schema.execution.plans import RowPlans, price_of
from schema.execution.rows import answer_with_row, is_row, own_columns

FIELDS_BETWEEN_CHECKS = 500
"""A few milliseconds. An answer with fewer fields, such as a refusal, is told even if the time is over meanwhile."""


class LimitedExecutor(Executor[None]):
    """Counts the fields of the answer while it makes it, and looks at the limits again and again."""

    only: Container[str] | None = None
    """The response names of the root fields that are executed; None for all."""
    rows: RowPlans
    """What shows the rows that a mutation has written."""
    too_large: TooLarge | None = None
    """Set if a statement that shows a row would be too large."""
    fields = 0
    """How many fields the answer has so far."""
    checked = 0
    """How many it had at the last look."""

    @classmethod
    def of(cls, selection: Selection, context: Context, *, is_measured: bool) -> "LimitedExecutor":
        """The executor of an operation. Its answer is measured if its texts could be too long."""
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
        executor.rows = RowPlans(selection, context.charge, context.token, is_measured=is_measured)
        return executor

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
        if path is None and self.only is not None:
            grouped_field_set = {name: one for name, one in grouped_field_set.items() if name in self.only}
        return super().execute_fields(parent_type, source_value, path, grouped_field_set, position_context)

    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        field_details_list: list[FieldDetails],
        info: GraphQLResolveInfo,
        path: Path,
        result: Any,
        position_context: None,
    ) -> Any:
        """Show a row's own columns, or by its plan, and anything else field by field."""
        if not is_row(result):
            return super().complete_object_value(return_type, field_details_list, info, path, result, position_context)
        grouped = self.collect_subfields(return_type, field_details_list).grouped_field_set
        own = own_columns(return_type, grouped, result)
        if own is not None:
            self.fields += len(own)
            return own
        try:
            answer, errors = answer_with_row(self.rows, return_type, field_details_list, result, path)
        except TooLarge as excess:
            self.context_value.charge(price_of(excess.found))
            self.too_large = excess
            raise Stopped from excess
        for error in errors:
            self.collected_errors.add(error, path)
        return answer


def _never(_value: object) -> TypeGuard[Awaitable[Any]]:
    """Execution is synchronous, so no value is awaitable."""
    return False
