"""How long an answer may be: its texts are counted while it is put together, because nobody knows before how long they are.

A text is not copied where it is asked for by many names, so what is refused here has not taken its memory yet.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.conf import settings
from graphql import GraphQLError, GraphQLScalarType, GraphQLSchema

SHORT = 500
"""Characters. Of texts that are shorter, the cost of an operation allows only so many."""


class Length:
    """The characters of the longer texts of one answer."""

    def __init__(self, most: int) -> None:
        self.most, self.found = most, 0

    @property
    def exceeded(self) -> bool:
        """Whether there are more than may be."""
        return self.found > self.most

    def add(self, characters: int) -> None:
        """One more text. Raises an error, which tells nobody anything, once they are too many."""
        self.found += characters
        if self.exceeded:
            raise GraphQLError("The answer is too long.")


_CURRENT: ContextVar[Length | None] = ContextVar("length", default=None)


@contextmanager
def measured() -> Iterator[Length]:
    """What is answered inside is counted."""
    length = Length(settings.MAX_ANSWER_CHARACTERS)
    before = _CURRENT.set(length)
    try:
        yield length
    finally:
        _CURRENT.reset(before)


def count_texts(schema: GraphQLSchema) -> None:
    """Let every text of an answer be counted."""
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
