"""Marks in an answer, where a field is refused, converted or logged: what SQL cannot do by itself.

A mark is an object whose first key is a raw control character. PostgreSQL escapes those in every text, so that no other JSON can
hold one, and an answer without a mark is passed on as it is, without being parsed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from graphql import FieldNode, GraphQLError, is_list_type, is_non_null_type, located_error
from graphql.pyutils import Path

from backend import logs

MARK = "\x01"
KEY = "\\u0001"


class IsNull(GraphQLError):
    """A field that cannot be null is."""

    def __init__(self) -> None:
        super().__init__("Cannot return null for a field that cannot be null.")


class IsGone(IsNull):
    """A row that cannot be null is there no more: it was deleted after what refers to it was written or read."""


class Marked(NamedTuple):
    """What a mark stands for."""

    meaning: Any
    """A site whose arguments are refused, what makes an exception or a value, or the type of a thing that is looked at."""
    nodes: Sequence[FieldNode]
    """Where an error is in the document: of one type, where several have a field of this name."""


def mark(number: int) -> str:
    """A mark without a value; `number` says what it stands for."""
    return f'{{"{MARK}":{number}}}'


def opening(number: int) -> str:
    """The beginning of a mark, up to its value."""
    return f'{{"{MARK}":{number},"value":'


def has_marks(answer: bytes) -> bool:
    """Whether there is any."""
    return MARK.encode() in answer


class Reader:
    """Reads an answer with marks: places errors, lets nulls rise, converts values, logs looks."""

    def __init__(self, marked: Sequence[Marked], refusals: Mapping[int, Exception], viewer: str) -> None:
        self._marked, self._refusals, self._viewer = marked, refusals, viewer
        self._logged: set[tuple[str, str]] = set()
        self.errors: list[GraphQLError] = []

    def data(self, answer: bytes, shapes: Mapping[str, Any], path: Path | None = None) -> dict[str, Any] | None:
        """The object without its marks; None if a field that cannot be null is, up to its root."""
        found = orjson.loads(answer.replace(MARK.encode(), KEY.encode()))
        try:
            self._object(found, shapes, path)
        except GraphQLError as error:
            self.errors.append(error)
            return None
        value: dict[str, Any] = found
        return value

    def _object(self, value: dict[str, Any], shapes: Mapping[str, Any], path: Path | None) -> None:
        for name, shape in shapes.items():
            if name in value:
                here = Path(path, name, None)
                value[name] = self._nullable(value[name], shape.type, shape, here)

    def _nullable(self, value: Any, type_: Any, shape: Any, path: Path) -> Any:
        """The value; null instead of an error, where it may be null."""
        if is_non_null_type(type_):
            return self._checked(value, type_.of_type, shape, path)
        try:
            return self._checked(value, type_, shape, path)
        except GraphQLError as error:
            self.errors.append(error)
            return None

    def _checked(self, value: Any, type_: Any, shape: Any, path: Path) -> Any:
        if isinstance(value, dict):
            value = self._unmarked(value, path)
        if isinstance(value, list) and is_list_type(type_):
            return [self._nullable(one, type_.of_type, shape, Path(path, at, None)) for at, one in enumerate(value)]
        if isinstance(value, dict) and shape.fields:
            self._object(value, shape.fields, path)
        return value

    def _unmarked(self, value: dict[str, Any], path: Path) -> Any:
        number = value.get(MARK)
        if number is None:
            return value
        meaning, nodes = self._marked[number]
        if isinstance(meaning, str):
            self._log(meaning, value["id"])
            return value["value"]
        if "value" in value:
            return meaning(value["value"])
        raise located_error(self._error(meaning), nodes, path.as_list())

    def _error(self, meaning: Any) -> Exception:
        if isinstance(meaning, int):
            return self._refusals[meaning]
        error: Exception = meaning()
        return error

    def _log(self, type_name: str, id_: str) -> None:
        """A look at one thing is logged once."""
        if (type_name, id_) not in self._logged:
            self._logged.add((type_name, id_))
            logs.looked_at(type_name, id_, viewer=self._viewer)
