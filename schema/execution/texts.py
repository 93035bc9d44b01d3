"""Which fields can hold a long text, and how long it can be."""

from functools import cache
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import CharField, JSONField, TextField
from graphql import GraphQLSchema
from strawberry_django.utils.typing import get_django_definition

from backend.stories.models import BODY_CHARACTERS

SHORT = 500
"""Values up to so many characters are not counted; the cost limit bounds their number."""
UNLIMITED = BODY_CHARACTERS + 1_000
"""How long the text of a column without a limit can be: it is a chapter's body, or holds one and a few short values."""


@cache
def longest(schema: GraphQLSchema, owner: str, field: str) -> int:
    """How many characters a field of a type can have; 0 if it is always short."""
    column = _column(schema, owner, field)
    if not isinstance(column, CharField | TextField | JSONField):
        return 0
    most: int = getattr(column, "max_length", None) or UNLIMITED
    return most if most > SHORT else 0


def _column(schema: GraphQLSchema, owner: str, field: str) -> Any:
    """The model's field that it shows, if there is one."""
    type_: Any = schema.type_map[owner]
    model = get_django_definition(type_.extensions["strawberry-definition"].origin)
    if model is None:
        return None
    name = type_.fields[field].extensions["strawberry-definition"].python_name
    try:
        return model.model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
