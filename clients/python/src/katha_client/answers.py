"""Telling answers apart, so that a type checker knows what is there: each is a success or one of the refusals."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from katha_client.generated.types import ConflictError, Failure, InvalidError, NotFoundError

if TYPE_CHECKING:
    # Every type checker has it; programs need it only from Python 3.13 on, where it is in `typing`.
    from typing_extensions import TypeIs


def is_failure(answer: Mapping[str, Any]) -> "TypeIs[Failure]":
    """Whether it is a refusal, also one that this package does not know yet: each has a `code` and says how to retry."""
    return "code" in answer and "retry" in answer


def is_conflict(answer: Mapping[str, Any]) -> "TypeIs[ConflictError]":
    """Whether somebody else wrote first: look at `current`."""
    return answer.get("__typename") == "ConflictError"


def is_invalid(answer: Mapping[str, Any]) -> "TypeIs[InvalidError]":
    """Whether the arguments make no sense: `fields` says which."""
    return answer.get("__typename") == "InvalidError"


def is_gone(answer: Mapping[str, Any]) -> "TypeIs[NotFoundError]":
    """Whether there is no such thing, for this viewer or at all."""
    return answer.get("__typename") == "NotFoundError"
