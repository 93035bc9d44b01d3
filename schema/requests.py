"""Counts and times every HTTP request."""

from collections.abc import Callable
from time import perf_counter

from django.http import HttpRequest, HttpResponse

from backend.monitoring.process import BY_STATUS, REQUEST_SECONDS, THREADS_BUSY

Answer = Callable[[HttpRequest], HttpResponse]


def watched(answer: Answer) -> Answer:
    """The outermost middleware: what it counts is what clients get."""

    def watch(request: HttpRequest) -> HttpResponse:
        started = perf_counter()
        THREADS_BUSY.inc()
        try:
            response = answer(request)
        finally:
            THREADS_BUSY.dec()
        BY_STATUS[response.status_code // 100].inc()
        REQUEST_SECONDS.observe(perf_counter() - started)
        return response

    return watch
