"""Middleware that counts and times every HTTP request, and gives it an id for the log."""

from collections.abc import Callable
from time import perf_counter

from django.http import HttpRequest, HttpResponse

from backend import logs
from backend.engine.transactions import drop_broken_connection
from backend.monitoring.process import BY_STATUS, REQUEST_SECONDS, THREADS_BUSY

MAX_CHARACTERS = 200
"""The maximum length of a logged path."""

Answer = Callable[[HttpRequest], HttpResponse]


def watched(answer: Answer) -> Answer:
    """The outermost middleware, so that it counts the responses that clients get."""

    def watch(request: HttpRequest) -> HttpResponse:
        started = perf_counter()
        request_id = logs.request_id(request.META.get("HTTP_X_REQUEST_ID"))
        logs.begin(request_id=request_id, method=request.method, url=request.path[:MAX_CHARACTERS])
        drop_broken_connection()  # every view finds a connection that works, those without a unit of work too
        THREADS_BUSY.inc()
        try:
            response = answer(request)
        finally:
            THREADS_BUSY.dec()
        BY_STATUS[response.status_code // 100].inc()
        response["X-Request-Id"] = request_id
        REQUEST_SECONDS.observe(perf_counter() - started)
        return response

    return watch
