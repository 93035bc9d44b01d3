"""Telling answers apart, so that a type checker knows what is there: each is a success or one of the refusals."""

from collections.abc import Mapping
from typing import Any, TypeGuard

from katha_client.generated.types import ConflictError, Failure, InvalidError, NotFoundError


def is_failure(answer: Mapping[str, Any]) -> TypeGuard[Failure]:
    """Whether it is a refusal, also one that this package does not know yet: each has a `code` and says how to retry."""
    return "code" in answer and "retry" in answer


def is_success(answer: Mapping[str, Any]) -> bool:
    """Whether it was done."""
    return not is_failure(answer)


def is_conflict(answer: Mapping[str, Any]) -> TypeGuard[ConflictError]:
    """Whether somebody else wrote first: look at `current`."""
    return answer.get("__typename") == "ConflictError"


def is_invalid(answer: Mapping[str, Any]) -> TypeGuard[InvalidError]:
    """Whether the arguments make no sense: `fields` says which."""
    return answer.get("__typename") == "InvalidError"


def is_gone(answer: Mapping[str, Any]) -> TypeGuard[NotFoundError]:
    """Whether there is no such thing, for this viewer or at all."""
    return answer.get("__typename") == "NotFoundError"
