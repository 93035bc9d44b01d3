"""Runs one GraphQL operation: prepared once for each document, a query in one snapshot, every error with a code."""

from collections.abc import Awaitable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeGuard

from django.db import DatabaseError, InterfaceError
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    execute,
    parse,
    specified_rules,
    validate,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from backend import logs
from backend.engine.errors import Refusal
from backend.engine.transactions import drop_broken_connection, snapshot
from schema.context import Context
from schema.errors import TOO_DEEP, RequestError, shown
from schema.root import schema

GRAPHQL = schema._schema
RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)
MOST_DOCUMENTS = 1_000
MOST_CHARACTERS_REMEMBERED = 20_000
"""A longer document is prepared each time, so that nobody can fill the memory with documents."""
MOST_ERRORS = 20
MOST_CHARACTERS_LOGGED = 100
"""Of an operation's name."""


@dataclass(frozen=True)
class Prepared:
    """A document that has been parsed and validated, with its operations by name."""

    document: DocumentNode
    operations: Mapping[str | None, OperationDefinitionNode] = field(default_factory=dict)

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """The operation to run; raises `RequestError` if `name` does not name exactly one."""
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        if name is None:
            problem = "The document holds several operations: say which one with operationName."
        elif name in self.operations:
            return self.operations[name]
        else:
            problem = "The document holds no operation with this operationName."
        raise RequestError([GraphQLError(problem)], "OPERATION_RESOLUTION_FAILURE")


@dataclass(frozen=True)
class _Unfit:
    """A document that cannot be executed, and why."""

    errors: list[GraphQLError]
    code: str


def prepare(text: str) -> Prepared:
    """Parse and validate a document, once: the result is remembered. Raises `RequestError`."""
    remembered = len(text) <= MOST_CHARACTERS_REMEMBERED
    prepared = _prepare(text) if remembered else _prepare.__wrapped__(text)
    if isinstance(prepared, _Unfit):
        raise RequestError(prepared.errors, prepared.code)
    return prepared


@lru_cache(maxsize=MOST_DOCUMENTS)
def _prepare(text: str) -> Prepared | _Unfit:
    try:
        document = parse(text, allow_empty_selection_sets=False)
        problems = validate(GRAPHQL, document, RULES, max_errors=MOST_ERRORS, hide_suggestions=True)
    except GraphQLError as error:
        return _Unfit([error], "GRAPHQL_PARSE_FAILED")
    except RecursionError:
        return _Unfit([GraphQLError(TOO_DEEP)], "GRAPHQL_PARSE_FAILED")
    if problems:
        return _Unfit(problems, "GRAPHQL_VALIDATION_FAILED")
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    return Prepared(document, {node.name.value if node.name else None: node for node in operations})


def run(
    prepared: Prepared, operation: OperationDefinitionNode, variables: dict[str, Any] | None, context: Context
) -> dict[str, Any]:
    """Execute the operation and return the answer as a dict. Raises `RequestError` for bad variables."""
    reads = operation.operation is OperationType.QUERY and _reads_data(operation)
    name = operation.name.value if operation.name else None
    logs.bind(operation=name and name[:MOST_CHARACTERS_LOGGED])
    drop_broken_connection()
    try:
        if reads:
            context.settle_session()
        with snapshot() if reads else nullcontext():
            result = execute(
                GRAPHQL,
                prepared.document,
                context_value=context,
                variable_values=variables,
                operation_name=name,
                is_awaitable=_never,
                hide_suggestions=True,
            )
    except (Refusal, DatabaseError, InterfaceError) as error:
        return {
            "errors": [shown(GraphQLError(str(error), original_error=error), "INTERNAL_SERVER_ERROR").formatted],
            "data": None,
        }
    assert isinstance(result, ExecutionResult)
    return _answer(result, _mutations(operation))


def _answer(result: ExecutionResult, mutations: Mapping[str, str] | None) -> dict[str, Any]:
    if not result.errors:
        return {"data": result.data}
    if result.data is None and all(error.path is None for error in result.errors):
        raise RequestError(result.errors, "BAD_USER_INPUT")
    return {
        "errors": [shown(error, "INTERNAL_SERVER_ERROR", mutations).formatted for error in result.errors],
        "data": result.data,
    }


def _mutations(operation: OperationDefinitionNode) -> dict[str, str] | None:
    """The mutations of an operation by their names in the answer; None where it reads."""
    if operation.operation is not OperationType.MUTATION:
        return None
    fields = [field for field in operation.selection_set.selections if isinstance(field, FieldNode)]
    return {(field.alias or field.name).value: field.name.value for field in fields}


def _reads_data(operation: OperationDefinitionNode) -> bool:
    """Whether it asks for more than the schema itself, and so needs the database."""
    return not all(
        isinstance(selection, FieldNode) and selection.name.value.startswith("__")
        for selection in operation.selection_set.selections
    )


def _never(_value: object) -> TypeGuard[Awaitable[Any]]:
    """Nothing here is awaitable: execution is synchronous."""
    return False
