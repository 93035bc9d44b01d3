"""What surrounds the work of a thread or a fiber: the fields of the log, a working connection, the deadline, who is busy."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from django.db import connections
from django.http import HttpRequest, HttpResponse

from backend import logs
from backend.engine import pipeline
from backend.engine.deadline import limited
from backend.monitoring.process import THREADS_BUSY
from schema.server.requests import Request, facts_of

ResultT = TypeVar("ResultT")


def work_for(request: Request, call: Callable[[], ResultT]) -> ResultT:
    """Do a part of the work for a request to /graphql in this thread or fiber."""
    with limited(request.deadline):
        return _at_work(request.facts, call)


def alone(call: Callable[[], ResultT]) -> ResultT:
    """Do it in a thread that keeps no session of the database."""
    try:
        return call()
    finally:
        connections.close_all()


def watched(answer: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """The outermost middleware of Django's pages."""

    def watch(request: HttpRequest) -> HttpResponse:
        request_id = logs.request_id(request.META.get("HTTP_X_REQUEST_ID"))
        return _at_work(facts_of(request, request_id), partial(answer, request))

    return watch


def _at_work(facts: dict[str, Any], call: Callable[[], ResultT]) -> ResultT:
    logs.begin(**facts)
    current = pipeline.current()
    current.drop()  # what somebody before has not waited for
    current.drop_broken_connection()  # what follows finds a connection that works
    THREADS_BUSY.inc()
    try:
        return call()
    finally:
        THREADS_BUSY.dec()
