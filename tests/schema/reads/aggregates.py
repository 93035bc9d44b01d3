"""Which tables belong together: an aggregate is a row and what hangs on it, which a sharded database would keep in one place."""

import re
from collections.abc import Iterator

from django.apps import apps
from django.db.models import ForeignKey, Model
from graphql import FieldNode, GraphQLObjectType, NameNode, get_named_type
from strawberry_django.utils.typing import has_django_definition

from backend.market.models import Order
from backend.people.models import Person
from backend.social.models import Relationship
from backend.sources import Bound, ByIds, OneOf, Page, Row, Rows, Source
from backend.stories.models import Story
from schema.execution.fields import NO_VARIABLES, bound
from schema.execution.graphql_schema import GRAPHQL
from schema.nodes import SOURCE, Node, row_of

ROOTS = (Person, Story, Relationship, Order)
"""The rows on which others hang. An order is of two people, a relationship as well."""
ROWLESS = ("Query", "Mutation", "Subscription", "Notified", "Presence", "Present")
"""The types whose objects are of no row: roots, and what a subscription tells."""
VIEWS = {"follow": Relationship, "block": Relationship}
TABLES = {model._meta.db_table: model for model in apps.get_models()} | VIEWS
NAMED = re.compile(rf"(?<![.:\w])({'|'.join(TABLES)})\b(?!\.)")
"""A table that is read. What follows `::` is the type of its rows, and what stands before a dot is a column's table."""


def key_of(model: type[Model]) -> tuple[type[Model], str]:
    """The root of a model's rows, and the column that has its key: the first foreign key says on what a row hangs."""
    keys = (one for one in model._meta.concrete_fields if isinstance(one, ForeignKey))
    first = None if model in ROOTS else next(keys, None)
    return (model, "id") if first is None else (root_of(first.related_model), first.column)


def root_of(model: type[Model]) -> type[Model]:
    """The model of the row on which rows of this one hang, by whichever way."""
    return key_of(model)[0]


def named_in(sql: str) -> set[str]:
    """The tables that SQL reads."""
    return set(NAMED.findall(sql))


def sql_of(source: Source) -> str:
    """All SQL of a source, without that of its rows' fields."""
    match source:
        case OneOf() | ByIds():
            return "\n".join(map(sql_of, source.rows))
        case Page():
            total = "" if source.total is None else source.total.sql
            return "\n".join([source.sql, source.when or "", source.signed_out or "", total])
    return str(getattr(source, "sql", getattr(source, "when", "")))


def model_of(type_name: str) -> type[Model]:
    """The model of the rows that a type shows; of one's side of a relationship, the pair's."""
    shown = GRAPHQL.type_map[type_name].extensions["strawberry-definition"].origin
    if not issubclass(shown, Node) and not has_django_definition(shown):  # made of what somebody asks, and of no table
        return Person
    row = row_of(shown)
    return row if issubclass(row, Model) else Relationship


def declared() -> Iterator[tuple[str, str, Source]]:
    """The source of each field of rows that has one, with the type of the row. A field of the root has no row."""
    for type_ in GRAPHQL.type_map.values():
        if isinstance(type_, GraphQLObjectType) and type_.name not in ROWLESS:
            for name, definition in type_.fields.items():
                known = definition.extensions.get("strawberry-definition")
                if known is not None and SOURCE in known.metadata:
                    asked = FieldNode(name=NameNode(value=name), arguments=())
                    found = bound(type_.name, definition, asked, NO_VARIABLES)
                    assert isinstance(found, Bound), found
                    assert found.source is not None
                    yield f"{type_.name}.{name}", type_.name, found.source
                    yield from _instead(f"{type_.name}.{name}", str(get_named_type(definition.type)), found.source)


def _instead(where: str, type_name: str, source: Source) -> Iterator[tuple[str, str, Source]]:
    """The sources that a row brings along for its own fields."""
    if isinstance(source, OneOf):
        for row in source.rows:
            yield from _instead(where, type_name, row)
    if isinstance(source, Row | Rows):
        shown = getattr(source, "type", None) or type_name
        for name, one in source.instead.items():
            yield f"{where}.{name}", shown, one
            yield from _instead(f"{where}.{name}", str(get_named_type(GRAPHQL.type_map[shown].fields[name].type)), one)
