"""Counts each mutation by the answer that its client got."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

from graphql import GraphQLResolveInfo, GraphQLSchema

from backend import logs
from backend.engine import committed, metrics, transactions
from backend.engine.errors import Refusal
from schema.answers import Applied, ConflictError, Failure
from schema.nodes import type_name_of

OUTCOMES = {"BUSY": metrics.ROLLED_BACK, "OUTCOME_UNKNOWN": metrics.UNKNOWN}
"""Outcomes by the code of a refusal; all other codes are `refused`."""
MAX_CHARACTERS = 100
"""The maximum length of a logged path."""
WROTE = {Applied.WRITTEN, Applied.MERGED}

Resolve = Callable[..., Any]


def count_mutations(schema: GraphQLSchema) -> None:
    """Wrap every mutation outside of the handlers that turn refusals into answers."""
    assert schema.mutation_type is not None
    for name, field in schema.mutation_type.fields.items():
        assert field.resolve is not None
        field.resolve = _counted(name, field.resolve)


def _counted(name: str, resolve: Resolve) -> Resolve:
    figures = metrics.ended(name)

    def counted(source: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
        started = perf_counter()
        transactions.end_answer_snapshot()  # that of the answer before
        committed.begin()
        logs.bind(mutation=name, path=str(info.path.key)[:MAX_CHARACTERS])
        with metrics.operation(name):
            try:
                answer = resolve(source, info, **arguments)
            except Refusal as refusal:  # a mutation whose union has no type for this refusal
                figures.count(_refused(name, refusal.code), perf_counter() - started)
                raise
            except Exception:
                outcome = metrics.COMMITTED if committed.has_committed() else metrics.ROLLED_BACK
                figures.count(outcome, perf_counter() - started)
                raise
        if isinstance(answer, Failure):
            figures.count(_refused(name, answer.code.name), perf_counter() - started)
            if isinstance(answer, ConflictError):
                metrics.CONFLICTS.labels(name, type_name_of(answer.current)).inc()
            return answer
        applied = getattr(answer, "applied", None)
        figures.count(
            metrics.COMMITTED,
            perf_counter() - started,
            replayed=applied is Applied.REPLAYED,
            unconditioned=applied in WROTE and (arguments.get("expect") or {}).get("current") is True,
        )
        return answer

    return counted


def _refused(name: str, code: str) -> str:
    """Count a refusal by its code; returns the outcome."""
    metrics.REFUSALS.labels(name, code).inc()
    return OUTCOMES.get(code, metrics.REFUSED)
