"""Error messages for invalid variables, in GraphQL's notation.

graphql-core quotes values in Python's notation (`None`, `True`, 'single quotes'). So the values that it refuses are checked
again here.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLSchema,
    OperationDefinitionNode,
    Undefined,
    type_from_ast,
)

MAX_CHARACTERS = 100
"""The maximum length of a quoted value."""
MAX_LEVELS = 200

EXPECTED = {
    "Int": "a whole number from -2147483648 to 2147483647",
    "Float": "a number",
    "String": "a string",
    "Boolean": "true or false",
    "ID": "a string or a whole number",
}

InvalidValue = tuple[str, str]
"""The path within the value, and what is wrong there."""


def invalid_values(
    schema: GraphQLSchema, operation: OperationDefinitionNode, variables: Mapping[str, Any], limit: int
) -> list[GraphQLError]:
    """The errors in an operation's variables, limited in number; none if they are valid."""
    found: list[GraphQLError] = []
    for definition in operation.variable_definitions or ():
        name, type_ = definition.variable.name.value, type_from_ast(schema, definition.type)
        value = variables.get(name, Undefined)
        if value is Undefined and definition.default_value is not None:
            continue
        for where, problem in _invalid_values(value, type_, "", 0):
            place = f" at '{name}{where}'" if where else ""
            found.append(GraphQLError(f"Variable '${name}' has an invalid value{place}: {problem}", definition))
            if len(found) == limit:
                return found
    return found


def shown(value: Any) -> str:
    """A value in GraphQL's notation, shortened."""
    text = _literal(value, 2)
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}…"


def _literal(value: Any, levels: int) -> str:
    if isinstance(value, str):
        return json.dumps(value[: MAX_CHARACTERS + 1], ensure_ascii=False)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**MAX_CHARACTERS:
        return "a number of very many digits"
    if isinstance(value, dict):
        inside = (f"{name}: {_literal(one, levels - 1)}" for name, one in list(value.items())[:10])
        return "{" + (", ".join(inside) if levels else "…") + "}"
    if isinstance(value, list):
        return "[" + (", ".join(_literal(one, levels - 1) for one in value[:10]) if levels else "…") + "]"
    return json.dumps(value)


def _invalid_values(value: Any, type_: Any, where: str, level: int) -> Iterator[InvalidValue]:
    if level > MAX_LEVELS:
        yield where, "It is nested too deeply."
    elif isinstance(type_, GraphQLNonNull):
        if value is Undefined:
            yield where, f"A value of type '{type_}' is required."
        elif value is None:
            yield where, f"A value of type '{type_}' cannot be null."
        else:
            yield from _invalid_values(value, type_.of_type, where, level)
    elif value is None or value is Undefined:
        return
    elif isinstance(type_, GraphQLList):
        items = value if isinstance(value, list) else None
        if items is None:  # input coercion: a single value is a list of one
            yield from _invalid_values(value, type_.of_type, where, level + 1)
        for place, item in enumerate(items or ()):
            yield from _invalid_values(item, type_.of_type, f"{where}[{place}]", level + 1)
    elif isinstance(type_, GraphQLInputObjectType):
        yield from _in_object(value, type_, where, level)
    elif isinstance(type_, GraphQLEnumType):
        if not isinstance(value, str) or value not in type_.values:
            yield where, f"{shown(value)} is not a value of the enum '{type_}'."
    elif isinstance(type_, GraphQLScalarType):
        yield from ((where, problem) for problem in _in_scalar(value, type_))


def _in_object(value: Any, type_: GraphQLInputObjectType, where: str, level: int) -> Iterator[InvalidValue]:
    if not isinstance(value, dict):
        yield where, f"Expected an object of type '{type_}', found {shown(value)}."
        return
    for name, field in type_.fields.items():
        if name in value or field.default_value is Undefined:
            yield from _invalid_values(value.get(name, Undefined), field.type, f"{where}.{name}", level + 1)
    for name in value:
        if name not in type_.fields:
            yield where, f"The type '{type_}' has no field {shown(name)}."
    known = [name for name in value if name in type_.fields]
    if _one_of(type_) and (len(known) != 1 or value[known[0]] is None):
        yield where, f"Exactly one field of '{type_}' must be given, and not as null."


def _one_of(type_: GraphQLInputObjectType) -> bool:
    """Whether the type is a oneOf input object. Strawberry checks that itself, if this version of graphql-core cannot."""
    return type_.is_one_of or getattr(type_.extensions.get("strawberry-definition"), "is_one_of", False)


def _in_scalar(value: Any, type_: GraphQLScalarType) -> Iterator[str]:
    try:
        type_.coerce_input_value(value)
    except GraphQLError as error:
        if type_.name not in EXPECTED:
            yield error.message  # our own scalars have good messages
            return
        yield f"Expected {EXPECTED[type_.name]}, found {shown(value)}."
    except Exception:
        yield f"{shown(value)} is not a value of type '{type_}'."
