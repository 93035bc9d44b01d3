"""Errors as clients see them: each with a code, refusals with retry advice, internal errors masked."""

import logging
import re
from collections.abc import Container, Mapping
from typing import Any

from django.db import DatabaseError, InterfaceError
from graphql import GraphQLError

from backend import logs
from backend.engine import metrics
from backend.engine.errors import Busy, OutcomeUnknown, Refusal
from backend.engine.refusal_log import log_refusal
from backend.engine.transactions import refusal_for
from schema.execution.problems import UNPROCESSABLE, Problem

log = logging.getLogger("katha")

MAX_CHARACTERS_SAID = 500
GUESS = re.compile(r"\.?,? [Dd]id you mean.*", re.DOTALL)
NULL = re.compile(r"not to be None\.$")
VALUE_ERROR_PREFIXES = ("Argument ", "Directive ", "Expected ", "Variable ")
"""Prefixes of graphql-core's messages about values that are known only at execution."""

INTERNAL = "INTERNAL_SERVER_ERROR"
FAULT = "Something went wrong on our side. Nothing that was refused has been written; the fault has been logged{}."
MISFIT = "A value in the request does not fit its type."
TOO_DEEP = "The document is nested too deeply."


LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
BAD_USER_INPUT = "BAD_USER_INPUT"
PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
NOT_PERSISTED = "PERSISTED_QUERY_NOT_FOUND"
"""The code of the answer by which a client learns that it has to send the text: a part of the protocol, which is no news."""


class RequestError(Problem):
    """The request cannot be executed: the answer has only errors, each with its code."""

    def __init__(self, errors: list[GraphQLError], code: str) -> None:
        status = 400 if code == PARSE_FAILED else UNPROCESSABLE
        super().__init__(status, code, code, is_logged=code == NOT_PERSISTED)
        self.errors = [shown(error, code) for error in errors]

    @property
    def answer(self) -> dict[str, Any]:
        """The response body: all errors, with their locations in the document."""
        return {"errors": [error.formatted for error in self.errors]}


class Stopped(BaseException):
    """No more is done for this answer: it is too long, or its time is over. Not an error of one field, so no field catches it."""


def shown(
    error: GraphQLError, code: str, mutations: Mapping[str, str] | None = None, *, logged: Container[str] = ()
) -> GraphQLError:
    """The error for the client: a refusal with its code and advice; an internal error masked. Both are logged.

    `mutations` maps response names to the operation's mutations; None for a query. Refusals with a code in `logged` have
    left their line: a query is refused once, however many of its fields say so.
    """
    original = error.original_error
    if isinstance(original, DatabaseError | InterfaceError):
        original = refusal_for(original) or original
        if mutations is not None and isinstance(original, Busy):  # the connection may have broken after the commit
            original, cause = OutcomeUnknown(after_ms=original.after_ms), original.__cause__
            original.__cause__ = cause
    if isinstance(original, Refusal):
        if original.code not in logged:
            log_refusal(original, **_place(error, mutations))
        retry = {"kind": original.retry_kind.value, "afterMs": original.after_ms}
        return _replaced(error, original.message, {"code": original.code, "retry": retry})
    if isinstance(original, RecursionError):
        return _replaced(error, TOO_DEEP, {"code": "TOO_DEEP"})
    if (
        isinstance(original, GraphQLError)
        and error.path is not None
        and not error.message.startswith(VALUE_ERROR_PREFIXES)
    ):
        return _fault(error, original, mutations or {})
    if original is None or isinstance(original, GraphQLError):
        return _replaced(error, _shortened(error.message), {**(error.extensions or {}), "code": code})
    if error.path is None and not isinstance(
        original, DatabaseError | InterfaceError
    ):  # a value that a scalar could not parse, such as a number of 5000 digits
        return _replaced(error, MISFIT, {"code": code})
    return _fault(error, original, mutations or {})


def _fault(error: GraphQLError, original: Exception, mutations: Mapping[str, str]) -> GraphQLError:
    """Log an internal error; the client gets only the request id, under which it is in the log."""
    log.error("fault", exc_info=original, extra=_place(error, mutations))
    text, known = _masked(logs.this_request())
    return _replaced(error, text, {"code": INTERNAL, **known})


def fault(request_id: str | None) -> Problem:
    """The problem of an internal error outside of GraphQL, which has been logged; counted."""
    text, known = _masked(request_id)
    return Problem(500, INTERNAL, text, extensions=known, is_logged=True)


def _masked(request_id: str | None) -> tuple[str, dict[str, str]]:
    """What a client is told of an internal error, which counts: no more than the id under which it is in the log."""
    metrics.FAULTS.inc()
    if request_id is None:
        return FAULT.format(""), {}
    return FAULT.format(f" as {request_id}"), {"requestId": request_id}


def _place(error: GraphQLError, mutations: Mapping[str, str] | None) -> dict[str, str | None]:
    """Where in the answer it happened, for the log."""
    path = error.path or []
    mutation = mutations.get(str(path[0])) if path and mutations else None
    return {"path": ".".join(map(str, path)), "mutation": mutation}


def _shortened(message: str) -> str:
    """A message with quoted values shortened, without "Did you mean" hints, and without Python's notation."""
    message = GUESS.sub(".", message)
    message = NULL.sub("not to be null.", message)
    return message if len(message) <= MAX_CHARACTERS_SAID else f"{message[:MAX_CHARACTERS_SAID]} …"


def _replaced(error: GraphQLError, message: str, extensions: dict[str, Any]) -> GraphQLError:
    # A lone surrogate in a quoted value cannot be encoded.
    clean = message.encode("utf-8", "replace").decode()
    return GraphQLError(clean, error.nodes, error.source, error.positions, error.path, extensions=extensions)
