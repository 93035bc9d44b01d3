"""The executable schema: with limits of answers, and with arguments that graphql-core makes as resolvers take them."""

from collections.abc import Callable
from dataclasses import MISSING
from functools import partial
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLDefaultInput,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
    get_named_type,
)

from backend.engine import metrics
from schema.execution.cost import require_lengths
from schema.execution.length import count_scalars
from schema.root import schema

GRAPHQL = schema._schema


def _name_arguments(schema: GraphQLSchema) -> None:
    """Let coerced arguments have Python's names, and input objects be of the classes that declare them."""
    for type_ in schema.type_map.values():
        definition = type_.extensions.get("strawberry-definition")
        if definition is None:
            continue
        if isinstance(type_, GraphQLInputObjectType):
            for field in type_.fields.values():
                _name(field)
            needed = [one for one in definition.fields if one.default_value is one.default_factory is MISSING]
            left_out = dict.fromkeys(one.python_name for one in needed)
            type_.out_type = partial(_input, definition.origin, left_out, type_.out_type)  # type: ignore[method-assign]
        elif isinstance(type_, GraphQLObjectType):
            for field in type_.fields.values():
                for argument in field.args.values():
                    _name(argument)


def _name(given: GraphQLArgument | GraphQLInputField) -> None:
    given.out_name = given.extensions["strawberry-definition"].python_name
    if given.default_value is not Undefined and isinstance(get_named_type(given.type), GraphQLInputObjectType):
        given.default = GraphQLDefaultInput(given.default_value)  # what is left out is coerced as what is sent


def _input(
    class_: type, left_out: dict[str, None], check: Callable[[dict[str, Any]], dict[str, Any]], values: dict[str, Any]
) -> Any:
    return class_(**{**left_out, **check(values)})


_name_arguments(GRAPHQL)
count_scalars(GRAPHQL)
require_lengths(GRAPHQL)

assert GRAPHQL.mutation_type is not None
for name in GRAPHQL.mutation_type.fields:
    metrics.ended(name)  # so that each is exported as 0 from the beginning
