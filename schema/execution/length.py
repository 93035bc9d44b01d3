"""Limits the length of an answer by counting the characters of its texts during execution.

A text that is selected under many aliases is not copied until serialisation, so the refusal comes before the memory is used.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.conf import settings
from graphql import GraphQLError, GraphQLScalarType, GraphQLSchema

SHORT = 500
"""Texts up to so many characters are not counted; the cost limit bounds their number."""


class Length:
    """The characters of the longer texts of one answer."""

    def __init__(self, most: int) -> None:
        self.most, self.found = most, 0

    @property
    def exceeded(self) -> bool:
        """Whether the limit is exceeded."""
        return self.found > self.most

    def add(self, characters: int) -> None:
        """Count one more text. Raises an internal error beyond the limit; the answer is replaced anyway."""
        self.found += characters
        if self.exceeded:
            raise GraphQLError("The answer is too long.")


_CURRENT: ContextVar[Length | None] = ContextVar("length", default=None)


@contextmanager
def measured() -> Iterator[Length]:
    """Count the texts of the answer that is made inside."""
    length = Length(settings.MAX_ANSWER_CHARACTERS)
    before = _CURRENT.set(length)
    try:
        yield length
    finally:
        _CURRENT.reset(before)


def count_texts(schema: GraphQLSchema) -> None:
    """Wrap the schema's string type so that texts are counted."""
    string = schema.type_map["String"]
    assert isinstance(string, GraphQLScalarType)
    plain = string.coerce_output_value

    def counted(value: Any) -> Any:
        text = value if type(value) is str else plain(value)
        if len(text) > SHORT:
            length = _CURRENT.get()
            if length is not None:
                length.add(len(text))
        return text

    string.coerce_output_value = counted
