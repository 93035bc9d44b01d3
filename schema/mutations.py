"""Runs every mutation: what happens around its own work, in the order in which it happens.

1. who is asking, unless anybody may
2. its arguments are read, their texts normalised and checked
3. its own work: one unit of work, with the key (`resolvers.work`)
4. a refusal becomes an answer of one of its types, outside of the transaction: it has rolled everything back
5. it is counted by what its client is told
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from time import perf_counter
from typing import Any, NamedTuple

import strawberry
from django.db import DatabaseError, InterfaceError
from strawberry.types.field import StrawberryField
from strawberry.types.union import StrawberryUnion

from backend import logs
from backend.engine import committed, metrics, pipeline, transactions
from backend.engine.errors import Refusal
from schema.answers import Applied, ConflictError, Failure, answer_to
from schema.context import Context
from schema.nodes import type_name_of

OUTCOMES = {"BUSY": metrics.ROLLED_BACK, "OUTCOME_UNKNOWN": metrics.UNKNOWN}
"""Outcomes by the code of a refusal; all other codes are `refused`."""
MAX_CHARACTERS = 100
"""The maximum length of a logged path."""
WROTE = {Applied.WRITTEN, Applied.MERGED}
ANYBODY = "anybody"
"""The key under which a mutation's metadata says whether nobody needs to be signed in."""


def mutation(*, description: str, anybody: bool = False, deprecated: str | None = None) -> Any:
    """Declare a root field of mutations by a method with its arguments. With `anybody`, nobody needs to be signed in.

    `deprecated` says what to use instead, and on which day it goes.
    """
    return partial(
        strawberry.mutation,
        description=description,
        deprecation_reason=deprecated,
        metadata={ANYBODY: anybody},
    )


class Call(NamedTuple):
    """A mutation that a request asks for: the `info` of its method."""

    context: Context
    name: str
    path: str
    """Its name in the answer."""


def run(field: StrawberryField, call: Call, read: Callable[[], dict[str, Any]]) -> Any:
    """Do what a mutation declares with the arguments that are read, and return its answer. Raises what it has no type for."""
    started = perf_counter()
    transactions.end_answer_snapshot()  # that of the answer before
    committed.begin()
    logs.bind(mutation=call.name, path=call.path[:MAX_CHARACTERS])
    with metrics.operation(call.name):
        try:
            answer, expect = _answered(field, call, read)
        except Refusal as refusal:  # the mutation has no type for it
            _count_refusal(call.name, refusal.code, started)
            raise
        except Exception:
            call.context.name_viewer()
            outcome = metrics.COMMITTED if committed.has_committed() else metrics.ROLLED_BACK
            metrics.ended(call.name).count(outcome, perf_counter() - started)
            raise
    _count(call.name, answer, expect, started)
    return answer


def _answered(field: StrawberryField, call: Call, read: Callable[[], dict[str, Any]]) -> tuple[Any, Any]:
    """The answer, and what the client has expected, if it has said so."""
    work: Any = field.base_resolver
    try:
        try:
            if not field.metadata[ANYBODY]:
                call.context.identify()
            arguments = read()
            return work.wrapped_func(None, info=call, **arguments), arguments.get("expect")
        except Refusal:
            pipeline.current().settle_checks()  # who is asking is told first
            raise
    except (Refusal, DatabaseError, InterfaceError) as error:
        answer = answer_to(error, types_of(field))
        if answer is None:
            raise
        return answer, None


@cache
def types_of(field: StrawberryField) -> frozenset[str]:
    """The names of the types that the mutation can answer with."""
    types: Sequence[Any] = field.type.types if isinstance(field.type, StrawberryUnion) else ()
    return frozenset(one.__name__ for one in types)


def _count(name: str, answer: Any, expect: Any, started: float) -> None:
    """Count an answer, a refusal or not."""
    if isinstance(answer, Failure):
        _count_refusal(name, answer.code.name, started)
        if isinstance(answer, ConflictError):
            metrics.CONFLICTS.labels(name, type_name_of(answer.current)).inc()
        return
    applied = getattr(answer, "applied", None)
    metrics.ended(name).count(
        metrics.COMMITTED,
        perf_counter() - started,
        replayed=applied is Applied.REPLAYED,
        unconditioned=applied in WROTE and getattr(expect, "current", None) is True,
    )


def _count_refusal(name: str, code: str, started: float) -> None:
    metrics.REFUSALS.labels(name, code).inc()
    metrics.ended(name).count(OUTCOMES.get(code, metrics.REFUSED), perf_counter() - started)
