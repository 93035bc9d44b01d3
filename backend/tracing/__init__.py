"""Spans of OpenTelemetry, if it is installed: one for each request, and below it one for each statement that it has run.

A span tells where time goes and nothing of what people wrote: no query string, no SQL, no value. Names and attributes are those
of OpenTelemetry's semantic conventions, but for `katha.…`. A request continues the trace of its header `traceparent`, and its
answer names the trace in `traceresponse` (both of the W3C).

spans   makes them; imported only where they are sent

While none are sent, `tracer` is None, and no place looks further.
"""

import os
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""Environment variables that say where spans are sent; the exporter reads them, and all others of OpenTelemetry."""

tracer: Any = None
"""The `spans.Tracer` of this process; None while none are sent."""
_NOTHING = nullcontext()


def is_wanted() -> bool:
    """Whether the environment says where to send spans."""
    return any(os.environ.get(name) for name in ENDPOINTS) and os.environ.get("OTEL_SDK_DISABLED", "").lower() != "true"


def is_installed() -> bool:
    """Whether there is what sends them."""
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


def begin(processor: Any = None) -> None:
    """Send spans from now on, if the environment says where to and OpenTelemetry is installed; or give them to this processor.

    What sends them does not outlive a fork, so each process that serves begins for itself.
    """
    global tracer
    if processor is not None or (is_wanted() and is_installed()):
        tracer = import_module("backend.tracing.spans").Tracer(processor)


def end() -> None:
    """Send what is not sent yet, and nothing more."""
    global tracer
    ended, tracer = tracer, None
    if ended is not None:
        ended.end()


def serving(meta: Mapping[str, Any], request_id: str) -> AbstractContextManager[None]:
    """Around all that is done for a request, whose `environ` of WSGI this is."""
    serves: AbstractContextManager[None] = _NOTHING if tracer is None else tracer.serving(meta, request_id)
    return serves


def running(sql: bytes, name: bytes = b"") -> AbstractContextManager[None]:
    """Around a statement that runs, and the name by which it is prepared."""
    runs: AbstractContextManager[None] = _NOTHING if tracer is None else tracer.running(sql, name)
    return runs


def carried(call: Callable[[], Any]) -> Callable[[], Any]:
    """The same to call in a thread or a fiber, where its spans are those of this request."""
    return call if tracer is None else partial(tracer.within, tracer.here(), call)


def add_trace_id(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """For the log: the trace in which a line is written."""
    trace_id = None if tracer is None else tracer.trace_id()
    if trace_id is not None:
        event["trace_id"] = trace_id
    return event
