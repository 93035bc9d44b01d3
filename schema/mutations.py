"""Runs every mutation: what happens around its own work, in the order in which it happens.

1. who is asking, unless anybody may
2. its texts are normalised and checked
3. its own work: one unit of work, with the key (`resolvers.work`)
4. a refusal becomes an answer of one of its types, outside of the transaction: it has rolled everything back
5. it is counted by what its client is told
"""

from collections.abc import Callable
from functools import wraps
from time import perf_counter
from typing import Any

import strawberry
from django.db import DatabaseError, InterfaceError
from graphql import GraphQLNonNull, GraphQLUnionType

from backend import logs
from backend.engine import committed, metrics, pipeline, transactions
from backend.engine.errors import Refusal
from backend.engine.text import normalize
from schema.answers import Applied, ConflictError, Failure, answer_to
from schema.context import Info
from schema.nodes import type_name_of

Resolve = Callable[..., Any]

OUTCOMES = {"BUSY": metrics.ROLLED_BACK, "OUTCOME_UNKNOWN": metrics.UNKNOWN}
"""Outcomes by the code of a refusal; all other codes are `refused`."""
MAX_CHARACTERS = 100
"""The maximum length of a logged path."""
WROTE = {Applied.WRITTEN, Applied.MERGED}


def mutation(*, description: str, anybody: bool = False, deprecated: str | None = None) -> Callable[[Resolve], Any]:
    """Declare a root field of mutations by a method with its arguments. With `anybody`, nobody needs to be signed in.

    `deprecated` says what to use instead, and on which day it goes.
    """

    def declare(work: Resolve) -> Any:
        @wraps(work)
        def resolve(*root: Any, info: Info, **arguments: Any) -> Any:
            return _run(work, root, info, arguments, anybody=anybody)

        return strawberry.mutation(resolve, description=description, deprecation_reason=deprecated)

    return declare


def _run(work: Resolve, root: tuple[Any, ...], info: Info, arguments: dict[str, Any], *, anybody: bool) -> Any:
    name, started = info.field_name, perf_counter()
    transactions.end_answer_snapshot()  # that of the answer before
    committed.begin()
    logs.bind(mutation=name, path=str(info.path.key)[:MAX_CHARACTERS])
    with metrics.operation(name):
        try:
            answer = _answered(work, root, info, arguments, anybody=anybody)
        except Refusal as refusal:  # the mutation has no type for it
            _count_refusal(name, refusal.code, started)
            raise
        except Exception:
            outcome = metrics.COMMITTED if committed.has_committed() else metrics.ROLLED_BACK
            metrics.ended(name).count(outcome, perf_counter() - started)
            raise
    _count(name, answer, arguments, started)
    return answer


def _answered(work: Resolve, root: tuple[Any, ...], info: Info, arguments: dict[str, Any], *, anybody: bool) -> Any:
    try:
        try:
            if not anybody:
                info.context.identify()
            return work(*root, info=info, **normalize(arguments))
        except Refusal:
            pipeline.current().settle_checks()  # who is asking is told first
            raise
    except (Refusal, DatabaseError, InterfaceError) as error:
        answer = answer_to(error, _types_of(info))
        if answer is None:
            raise
        return answer


def _types_of(info: Info) -> frozenset[str]:
    """The names of the types that the mutation can answer with."""
    of: Any = info._raw_info.return_type
    union = of.of_type if isinstance(of, GraphQLNonNull) else of
    return frozenset(one.name for one in union.types) if isinstance(union, GraphQLUnionType) else frozenset()


def _count(name: str, answer: Any, arguments: dict[str, Any], started: float) -> None:
    """Count an answer, a refusal or not."""
    if isinstance(answer, Failure):
        _count_refusal(name, answer.code.name, started)
        if isinstance(answer, ConflictError):
            metrics.CONFLICTS.labels(name, type_name_of(answer.current)).inc()
        return
    applied, expect = getattr(answer, "applied", None), arguments.get("expect")
    metrics.ended(name).count(
        metrics.COMMITTED,
        perf_counter() - started,
        replayed=applied is Applied.REPLAYED,
        unconditioned=applied in WROTE and getattr(expect, "current", None) is True,
    )


def _count_refusal(name: str, code: str, started: float) -> None:
    metrics.REFUSALS.labels(name, code).inc()
    metrics.ended(name).count(OUTCOMES.get(code, metrics.REFUSED), perf_counter() - started)
