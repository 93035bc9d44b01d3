"""What is asked over a stream, from its document on: the answer to a query or a mutation, or what a subscription is made of.

Over a stream, what refuses an operation is told in GraphQL's errors: a status or a close code would end what else runs there.
"""

from typing import Any

import orjson
from graphql import GraphQLError

from backend.engine.errors import Refusal
from backend.limits.admission import EXPENSIVE, REQUESTS
from schema.context import Context
from schema.execution.documents import prepare, sent
from schema.execution.errors import BAD_USER_INPUT, shown
from schema.execution.many import Extra
from schema.execution.problems import Problem
from schema.execution.run import Execution
from schema.execution.steps import IN_THREAD, Slot, Steps
from schema.execution.watching import Watching, watching
from schema.server.asked import Asked
from schema.server.http import as_json, execution_of
from schema.server.requests import Request


def opened(request: Request, asked: Asked, context: Context, extra: Extra) -> Steps[bytes | Watching]:
    """Execute a query or a mutation, and return its answer; or return what a subscription is made of.

    Raises `Problem`, `RateLimited` and `Busy`, and of a subscription what else refuses it.
    """
    yield IN_THREAD
    lane, document = REQUESTS, sent(asked.query, asked.document_id, asked.sha256)
    if document.is_expensive:
        lane = EXPENSIVE
        yield Slot(lane)
    prepared = prepare(document)
    operation = prepared.operation(asked.operation_name)
    if operation.is_subscription:
        return (yield from watching(operation, asked.variables, context, extra))
    execution: Execution = execution_of(request, asked, prepared, context)
    if execution.slot.lane not in (lane, REQUESTS):
        yield execution.slot
    execution.bind()
    done = yield from execution.steps()
    return done if isinstance(done, bytes) else as_json(done)


def told(refusal: Refusal | Problem) -> dict[str, Any]:
    """The execution result that tells of a refusal."""
    if isinstance(refusal, Problem):
        return refusal.answer
    error = shown(GraphQLError(refusal.message, original_error=refusal), BAD_USER_INPUT)
    return {"errors": [error.formatted]}


def told_as_json(refusal: Refusal | Problem) -> bytes:
    """The same as JSON."""
    return orjson.dumps(told(refusal))
