"""Limits the length of an answer.

What a statement prints is measured by the statement itself, before it prints it (`measuring`). Of what is made in Python, such as
what a conflict tells, the characters of the scalars are counted during execution. A text that is selected under many aliases is
not copied until serialisation, so the refusal comes before the memory is used.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from django.conf import settings
from graphql import GraphQLScalarType, GraphQLSchema

from backend.engine.scoped import Scoped
from schema.execution.errors import Stopped
from schema.execution.measuring import excess_of
from schema.execution.texts import SHORT

MEMBER = 8
"""What a member of a JSON value counts besides its texts: a number, or quotation marks and commas."""
NUMBERS = ("Int", "BigInt", "Float", "Boolean")


class Length:
    """The characters of the longer values of one answer."""

    def __init__(self, most: int) -> None:
        self.most, self.found = most, 0

    @property
    def exceeded(self) -> bool:
        """Whether the limit is exceeded."""
        return self.found > self.most

    def add(self, characters: int) -> None:
        """Count one more value. Raises `Stopped` beyond the limit."""
        self.found += characters
        if self.exceeded:
            raise Stopped


_CURRENT: ContextVar[Length | None] = ContextVar("length", default=None)


def measured() -> Scoped[Any]:
    """Count the values of the answer that is made inside: the `with` gives their `Length`."""
    return Scoped(_CURRENT, Length(settings.MAX_ANSWER_CHARACTERS))


def left() -> int:
    """How many characters the rest of the answer may have."""
    length = _CURRENT.get()
    return settings.MAX_ANSWER_CHARACTERS if length is None else length.most - length.found


def counted(printed: bytes) -> bytes:
    """What a statement printed as a part of an answer, which is counted. Raises `Stopped` if its texts are too long."""
    length = _CURRENT.get()
    if length is not None:
        length.add(excess_of(printed) or len(printed))
    return printed


def count_scalars(schema: GraphQLSchema) -> None:
    """Wrap each scalar that can be long so that its values are counted."""
    for name, scalar in schema.type_map.items():
        if isinstance(scalar, GraphQLScalarType) and name not in NUMBERS:
            scalar.coerce_output_value = _counted(scalar.coerce_output_value)


def _counted(plain: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def counted(value: Any) -> Any:
        value = plain(value)
        characters = len(value) if type(value) is str else characters_of(value)
        if characters > SHORT:
            length = _CURRENT.get()
            if length is not None:
                length.add(characters)
        return value

    return counted


def characters_of(value: Any) -> int:
    """About as many characters as this value has in JSON."""
    found, unseen = 0, [value]
    while unseen:
        one = unseen.pop()
        found += MEMBER
        if isinstance(one, str):
            found += len(one)
        elif isinstance(one, dict):
            found += sum(map(len, one))
            unseen += one.values()
        elif isinstance(one, list | tuple):
            unseen += one
    return found
