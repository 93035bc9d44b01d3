"""Runs one GraphQL operation: a query in one snapshot, every error with a code."""

from collections.abc import Awaitable, Mapping
from typing import Any, TypeGuard

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from graphql import ExecutionResult, FieldNode, GraphQLError, OperationDefinitionNode, OperationType

from backend import logs
from backend.engine import deadline, metrics
from backend.engine.errors import Busy, OutcomeUnknown, Refusal, after_busy_ms
from backend.engine.transactions import answer_snapshots, snapshot
from backend.limits.admission import EXPENSIVE, HASHING, REQUESTS
from schema.context import Context
from schema.execution.document_limits import exceeded, too_many_values
from schema.execution.documents import LIMIT_EXCEEDED, MAX_ERRORS, Prepared
from schema.execution.errors import INTERNAL, RequestError, Stopped, shown
from schema.execution.executor import LimitedExecutor
from schema.execution.graphql_schema import GRAPHQL
from schema.execution.length import Length, measured
from schema.execution.values import invalid_values

BAD_USER_INPUT = "BAD_USER_INPUT"
MAX_ERRORS_SHOWN = 100
"""The maximum number of errors in an answer."""
WORST = (INTERNAL, "OUTCOME_UNKNOWN", "BUSY")
"""Codes of what is wrong with the server, the worst first."""
LATE = (
    "This took longer than a request may, so its answer was broken off. What was to be written may be written: send the same "
    "request with the same key, and ask for less."
)
NOT_SERVED = (Refusal, DatabaseError, InterfaceError)

MAX_CHARACTERS_LOGGED = 100
"""The maximum length of a logged operation name."""


class Execution:
    """An operation that is ready to be executed: its variables are read, and its cost is known."""

    def __init__(
        self, prepared: Prepared, operation: OperationDefinitionNode, variables: dict[str, Any] | None, context: Context
    ) -> None:
        """Raises `RequestError` for bad variables, and for what costs more than any request may."""
        excess = too_many_values(variables)
        if excess is not None:
            raise RequestError([excess], LIMIT_EXCEEDED)
        self._operation, self._context = operation, context
        self._executor = _executor(prepared, operation, variables or {}, context)
        name = operation.name.value if operation.name else None
        # The cost is counted from the values that the executor has coerced, not from those that were sent.
        self._cost = prepared.cost(name, self._executor.variable_values.coerced)
        self._hashes = prepared.costs[name].hashes

    @property
    def lane(self) -> str:
        """The lane of admission in which it is executed."""
        if self._hashes:
            return HASHING
        return EXPENSIVE if self._cost.most >= settings.EXPENSIVE_QUERY_COST else REQUESTS

    def answer(self) -> dict[str, Any]:
        """Execute it and return the answer as a dict, and count a query by it. Raises `RateLimited`, `RequestError`."""
        name = self._operation.name
        logs.bind(operation=name and name.value[:MAX_CHARACTERS_LOGGED])
        self._context.spend(self._cost.asked)
        try:
            answer = _executed(self._executor, self._operation, self._context)
        finally:
            self._context.charge(max(0, self._executor.fields - self._cost.asked))
        if self._operation.operation is OperationType.QUERY:
            metrics.QUERIES.labels(_worst(answer)).inc()
        return answer


def _worst(answer: dict[str, Any]) -> str:
    """The code of an answer's worst error: what is wrong with the server comes before what is wrong with the request."""
    codes = [error["extensions"]["code"] for error in answer.get("errors", ())]
    return min(codes, key=lambda code: WORST.index(code) if code in WORST else len(WORST), default=metrics.OK)


def _executed(executor: LimitedExecutor, operation: OperationDefinitionNode, context: Context) -> dict[str, Any]:
    reads = operation.operation is OperationType.QUERY and _reads_data(operation)
    with measured() as length:
        try:
            if reads:
                context.settle_session()
            with snapshot() if reads else answer_snapshots():
                result = executor.execute_operation()
        except (Refusal, DatabaseError, InterfaceError) as error:
            return _nothing(error)
        except Stopped:
            return _stopped(executor, length, operation)
    assert isinstance(result, ExecutionResult)
    late = deadline.refused() if reads else None
    unserved = [one.original_error for one in result.errors or () if isinstance(one.original_error, NOT_SERVED)]
    if late is not None and unserved:
        late.__cause__ = unserved[0]
        return _nothing(late)
    if result.data is None and all(error.path is None for error in result.errors or ()):
        raise RequestError(result.errors or [], BAD_USER_INPUT)
    context.note_use()
    return _answer(result, _mutations(operation))


def _executor(
    prepared: Prepared, operation: OperationDefinitionNode, variables: dict[str, Any], context: Context
) -> LimitedExecutor:
    """The executor of the operation, with its variables. Raises `RequestError` for bad ones."""
    executor = LimitedExecutor.build(
        GRAPHQL,
        prepared.document,
        context_value=context,
        raw_variable_values=variables,
        operation_name=operation.name.value if operation.name else None,
        is_awaitable=_never,
        hide_suggestions=True,
    )
    if isinstance(executor, list):
        raise RequestError(invalid_values(GRAPHQL, operation, variables, MAX_ERRORS) or executor, BAD_USER_INPUT)
    assert isinstance(executor, LimitedExecutor)
    return executor


def _stopped(executor: LimitedExecutor, length: Length, operation: OperationDefinitionNode) -> dict[str, Any]:
    """The answer that replaces one that was broken off."""
    if executor.exceeded:
        error = exceeded("cost", "fields in the answer", executor.fields, settings.MAX_COST)
    elif length.exceeded:
        error = exceeded("answer", "characters in the values of the answer", length.found, length.most)
    else:
        return _nothing(_late(operation))
    if operation.operation is OperationType.MUTATION:
        error.message += " What was to be written may be written: send it again with its key, and ask for less."
    return {"errors": [shown(error, LIMIT_EXCEEDED).formatted], "data": None}


def _late(operation: OperationDefinitionNode) -> Refusal:
    """What is told of an answer that took too long to make. One of several mutations may be committed, or the only one."""
    if operation.operation is OperationType.MUTATION:
        return OutcomeUnknown(LATE, after_ms=after_busy_ms(), cause=deadline.cause())
    return Busy(deadline.TIMED_OUT, after_ms=after_busy_ms(), cause=deadline.cause())


def _nothing(error: Exception) -> dict[str, Any]:
    """The answer to a query whose snapshot could not be read."""
    said = shown(GraphQLError(str(error), original_error=error), BAD_USER_INPUT)
    return {"errors": [said.formatted], "data": None}


def _answer(result: ExecutionResult, mutations: Mapping[str, str] | None) -> dict[str, Any]:
    if not result.errors:
        return {"data": result.data}
    errors: list[GraphQLError] = []
    for error in result.errors[:MAX_ERRORS_SHOWN]:
        logged = {one.extensions["code"] for one in errors if one.extensions} if mutations is None else ()
        errors.append(shown(error, BAD_USER_INPUT, mutations, logged=logged))
    return {"errors": [error.formatted for error in errors], "data": result.data}


def _mutations(operation: OperationDefinitionNode) -> dict[str, str] | None:
    """The mutations of an operation by response name; None for a query."""
    if operation.operation is not OperationType.MUTATION:
        return None
    fields = [field for field in operation.selection_set.selections if isinstance(field, FieldNode)]
    return {(field.alias or field.name).value: field.name.value for field in fields}


def _reads_data(operation: OperationDefinitionNode) -> bool:
    """Whether the operation needs the database: False for introspection."""
    return not all(
        isinstance(selection, FieldNode) and selection.name.value.startswith("__")
        for selection in operation.selection_set.selections
    )


def _never(_value: object) -> TypeGuard[Awaitable[Any]]:
    """Execution is synchronous, so no value is awaitable."""
    return False
