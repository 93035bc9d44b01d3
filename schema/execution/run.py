"""Runs one GraphQL operation: a query by one statement, every error with a code."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from graphql import ExecutionResult, FieldNode, GraphQLError, OperationDefinitionNode
from prometheus_client import Counter

from backend import logs
from backend.engine import deadline, metrics
from backend.engine.errors import Busy, OutcomeUnknown, Refusal, after_busy_ms
from backend.engine.transactions import answer_snapshots
from backend.limits.admission import EXPENSIVE, HASHING, MUTATIONS, REQUESTS
from backend.postgresql.reads import Row
from resolvers.access import DEAD_TOKEN
from schema.context import Context
from schema.execution.counting import FieldCount
from schema.execution.document_limits import exceeded, too_many_values
from schema.execution.errors import BAD_USER_INPUT, INTERNAL, LIMIT_EXCEEDED, RequestError, Stopped, shown
from schema.execution.executor import LimitedExecutor
from schema.execution.length import Length, measured
from schema.execution.markers import has_marks
from schema.execution.measuring import TooLong, excess_of
from schema.execution.operations import Operation, Roots, Selection
from schema.execution.parts import TooLarge
from schema.execution.plans import Plan, Query, price_of
from schema.execution.steps import IN_THREAD, Read, Slot, Steps
from schema.execution.writing import Writing

MAX_ERRORS_SHOWN = 100
"""The maximum number of errors in an answer."""
WORST = (INTERNAL, "OUTCOME_UNKNOWN", "BUSY")
"""Codes of what is wrong with the server, the worst first."""
LATE = (
    "This took longer than a request may, so its answer was broken off. What was to be written may be written: send the same "
    "request with the same key, and ask for less."
)
Answered = dict[str, Any] | bytes
"""An answer, or its JSON."""
NOT_SERVED = (Refusal, DatabaseError, InterfaceError)

MAX_CHARACTERS_LOGGED = 100
"""The maximum length of a logged operation name."""


class Execution:
    """An operation that is ready to be executed: its variables are read, and its cost is known."""

    def __init__(self, operation: Operation, variables: dict[str, Any] | None, context: Context) -> None:
        """Raises `RequestError` for bad variables, and for what costs more than any request may."""
        excess = too_many_values(variables) if variables else None
        if excess is not None:
            raise RequestError([excess], LIMIT_EXCEEDED)
        self._operation, self._context = operation, context
        self._selection = Selection(operation, operation.values(variables or {}))
        # The cost is counted from the coerced values, not from those that were sent.
        values = self._selection.values.coerced
        self._cost = operation.cost(values, context.a_minute)
        self._is_measured = operation.costs.characters(values) > settings.MAX_ANSWER_CHARACTERS
        hashing = operation.costs.hashing
        self._is_expensive = self._cost - hashing >= settings.EXPENSIVE_QUERY_COST
        lane = EXPENSIVE if self._is_expensive else REQUESTS if operation.is_query else MUTATIONS
        self.slot = Slot(HASHING, instead=lane) if hashing else Slot(lane)
        """The slot of admission in which it is executed."""

    def bind(self) -> None:
        """Let the lines that this thread logs from now on say what is executed, and for whom."""
        name = self._operation.name
        logs.bind(operation=name and name[:MAX_CHARACTERS_LOGGED])
        self._context.bind()

    def steps(self) -> Steps[Answered]:
        """Execute it and return the answer, and count a query by it. Raises `RateLimited`, `RequestError`."""
        self._context.spend(self._cost)
        if self._operation.is_query:
            answer = yield from self._read()
            _counted(answer).inc()
        else:
            if self._is_expensive:
                yield IN_THREAD
            self.bind()
            answer = self._written()
        return _with_rejection(answer) if self._context.token_is_dead else answer

    def _in_thread(self) -> Steps[None]:
        yield IN_THREAD
        self.bind()

    def _written(self) -> Answered:
        """Execute mutations."""
        writing = Writing(self._selection, self._context, is_measured=self._is_measured)
        with answer_snapshots(), measured() as length:
            try:
                data = writing.execute()
            except Stopped:
                return _stopped(self._operation, writing.count, length, writing.too_large)
        self._context.note_use()
        return _answer(data, writing.errors, self._operation)

    def _read(self) -> Steps[Answered]:
        """Answer a query: what is planned by one statement, the rest in Python."""
        roots = self._operation.roots(self._selection)
        found: bytes | dict[str, Any] | None = b"{}"
        errors: list[GraphQLError] = []
        if roots.planned:
            try:
                found, errors = yield from self._planned(roots)
            except NOT_SERVED as error:
                yield from self._in_thread()
                return _unserved(error)
            except TooLarge as excess:
                self._context.charge(price_of(excess.found))
                return _limited(_too_large(excess))
            except TooLong as excess:
                yield from self._in_thread()
                return _limited(_too_long(excess.found, settings.MAX_ANSWER_CHARACTERS))
            if isinstance(found, bytes) and len(roots.planned) == len(roots.names):
                return b'{"data":' + found + b"}"
        yield from self._in_thread()
        answer = self._completed(roots, found, errors)
        if not roots.planned:  # otherwise its statement has told
            self._context.note_use()
        return answer

    def _completed(
        self, roots: Roots, found: bytes | dict[str, Any] | None, errors: list[GraphQLError]
    ) -> dict[str, Any]:
        """The answer to a query, with those fields that are not planned."""
        data = orjson.loads(found) if isinstance(found, bytes) else found
        if len(roots.planned) < len(roots.names):
            executor = LimitedExecutor.of(self._selection, self._context, set(roots.names) - set(roots.planned))
            with measured() as length:
                try:
                    result = executor.execute_operation()
                except Stopped:
                    return _stopped(self._operation, executor.count, length)
            assert isinstance(result, ExecutionResult)
            errors = [*errors, *(result.errors or ())]
            data = _merged(roots.names, data, result.data)
        late = deadline.refused()
        unserved = [one.original_error for one in errors if isinstance(one.original_error, NOT_SERVED)]
        if late is not None and unserved:
            late.__cause__ = unserved[0]
            return _nothing(late)
        return _answer(data, errors, self._operation)

    def _planned(self, roots: Roots) -> Steps[tuple[bytes | dict[str, Any] | None, list[GraphQLError]]]:
        """The object of the planned root fields, and what is wrong in it."""
        query = Query(self._selection, roots.planned, is_measured=self._is_measured)
        viewer = self._context.credentials()
        plan, row = yield from self._selected(query, viewer)
        if viewer is not None:
            self._context.is_known(row)
            if row is None:
                plan, row = yield from self._selected(query, None)
        assert row is not None
        assert row[0] is not None
        answer = row[0]
        excess = excess_of(answer)
        if excess is not None:
            raise TooLong(excess)
        is_marked = has_marks(answer)
        if is_marked or self._context.use_is_unnoted:
            yield from self._in_thread()
            self._context.note_use()
        if not is_marked:
            return answer, []
        reader = query.reader(plan, self._context.viewer_id or "")
        data = reader.data(answer, plan.shapes)
        return data, reader.errors

    def _selected(self, query: Query, viewer: tuple[str, dict[str, Any]] | None) -> Steps[tuple[Plan, Row | None]]:
        """What the query's statement finds for this viewer, who is charged for it if it is new or large."""
        known_by, values = viewer or (None, {"token": None})
        kept = query.kept(known_by)
        if kept is None:
            yield IN_THREAD
        plan = kept or query.plan(known_by)
        if kept is None or plan.is_large:
            self._context.charge(plan.price)
        if plan.is_large and self.slot.lane != EXPENSIVE:
            yield Slot(EXPENSIVE)
        return plan, (yield Read(plan.statement, query.values(plan, values)))


def _with_rejection(answer: Answered) -> Answered:
    """The answer, which says that it is one for nobody although a token was sent: a query refuses nothing for that."""
    said = {"authentication": {"code": "TOKEN_REJECTED", "message": DEAD_TOKEN}}
    if isinstance(answer, dict):
        return {**answer, "extensions": said}
    return answer[:-1] + b',"extensions":' + orjson.dumps(said) + b"}"


def _counted(answer: Answered) -> Counter:
    """Where an answer is counted, by its worst error: what is wrong with the server comes first."""
    if isinstance(answer, bytes) or "errors" not in answer:
        return metrics.GOOD_QUERIES
    codes = [error["extensions"]["code"] for error in answer["errors"]]
    return metrics.QUERIES.labels(min(codes, key=lambda code: WORST.index(code) if code in WORST else len(WORST)))


def _merged(names: Iterable[str], one: dict[str, Any] | None, other: dict[str, Any] | None) -> dict[str, Any] | None:
    """Two halves of an answer, in the order of the document; null if one of them is."""
    if one is None or other is None:
        return None
    return {name: one[name] if name in one else other[name] for name in names}


def _stopped(
    operation: Operation, count: FieldCount, length: Length, too_large: TooLarge | None = None
) -> dict[str, Any]:
    """The answer that replaces one that was broken off."""
    if count.exceeded:
        error = exceeded("cost", "fields in the answer", count.found, settings.MAX_COST)
    elif length.exceeded:
        error = _too_long(length.found, length.most)
    elif too_large is not None:
        error = _too_large(too_large)
    else:
        return _nothing(_late(operation))
    if not operation.is_query:
        error.message += " What was to be written may be written: send it again with its key, and ask for less."
    return _limited(error)


def _too_long(found: int, most: int) -> GraphQLError:
    return exceeded("answer", "characters in the values of the answer", found, most)


def _too_large(excess: TooLarge) -> GraphQLError:
    return exceeded("statement", "characters in the SQL for this", excess.found, settings.MAX_STATEMENT_CHARACTERS)


def _limited(error: GraphQLError) -> dict[str, Any]:
    return {"errors": [shown(error, LIMIT_EXCEEDED).formatted], "data": None}


def _late(operation: Operation) -> Refusal:
    """What is told of an answer that took too long to make. One of several mutations may be committed, or the only one."""
    if not operation.is_query:
        return OutcomeUnknown(LATE, after_ms=after_busy_ms(), cause=deadline.cause())
    return Busy(deadline.TIMED_OUT, after_ms=after_busy_ms(), cause=deadline.cause())


def _unserved(error: Exception) -> dict[str, Any]:
    """The answer to a query whose statement could not be run, or was broken off because its time is over."""
    late = deadline.refused()
    if late is not None:
        late.__cause__ = error
    return _nothing(late or error)


def _nothing(error: Exception) -> dict[str, Any]:
    """The answer to a query whose snapshot could not be read."""
    said = shown(GraphQLError(str(error), original_error=error), BAD_USER_INPUT)
    return {"errors": [said.formatted], "data": None}


def _answer(data: dict[str, Any] | None, found: Sequence[GraphQLError], operation: Operation) -> dict[str, Any]:
    if not found:
        return {"data": data}
    mutations = None if operation.is_query else _mutations(operation.node)
    errors: list[GraphQLError] = []
    for error in found[:MAX_ERRORS_SHOWN]:
        logged = {one.extensions["code"] for one in errors if one.extensions} if mutations is None else ()
        errors.append(shown(error, BAD_USER_INPUT, mutations, logged=logged))
    return {"errors": [error.formatted for error in errors], "data": data}


def _mutations(operation: OperationDefinitionNode) -> dict[str, str]:
    """The mutations of an operation by response name."""
    fields = [field for field in operation.selection_set.selections if isinstance(field, FieldNode)]
    return {(field.alias or field.name).value: field.name.value for field in fields}
