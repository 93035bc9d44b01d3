"""Removes resolver wrappers from fields that need none: a page of twenty stories has about four hundred fields."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from graphql import GraphQLObjectType, GraphQLResolveInfo, GraphQLSchema

ROOTS = ("Query", "Mutation")


def lighten(schema: GraphQLSchema) -> None:
    """Resolve plain and `computed` fields by one call instead of strawberry's seven.

    Fields with arguments, and all root fields, keep strawberry's resolvers: they convert arguments and turn refusals into
    answers.
    """
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType) and type_.name not in ROOTS and not type_.name.startswith("__"):
            for field in type_.fields.values():
                get = _getter(field.extensions.get("strawberry-definition"))
                if get is not None and not field.args:
                    field.resolve = _resolver(get)


def _getter(definition: Any) -> Callable[[Any], Any] | None:
    if definition is None:
        return None
    if definition.base_resolver is None:
        return attrgetter(definition.python_name)
    return getattr(definition.base_resolver.wrapped_func, "load", None)


def _resolver(get: Callable[[Any], Any]) -> Callable[[Any, GraphQLResolveInfo], Any]:
    def resolve(source: Any, _info: GraphQLResolveInfo) -> Any:
        return get(source)

    return resolve
