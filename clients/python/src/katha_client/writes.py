"""A write, as the functions of `mutations` make it: a document with one mutation, and its variables."""

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

AnswerT = TypeVar("AnswerT")
"""The union that the mutation answers with."""


@dataclass(frozen=True)
class Write(Generic[AnswerT]):
    """What a person means to do. Make one for each time that they do it; `Client.write` gives it its key.

    `mutation` is the name of the field. A document of your own has that field alone, and the variables `$expect` and `$key` if
    the mutation takes these. `keyed`: whether it takes a key.
    """

    mutation: str
    document: str
    variables: dict[str, Any] = field(default_factory=dict)
    keyed: bool = True


def given(**arguments: Any) -> dict[str, Any]:
    """The arguments that are not None: one that is left out has the default that the contract says."""
    return {name: value for name, value in arguments.items() if value is not None}
