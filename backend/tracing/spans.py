"""Makes spans of requests and of statements, and sends them by OTLP over HTTP."""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

NAME = "katha"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
ROUTES = frozenset({"/", "/graphql", "/schema.graphql", "/healthz", "/readyz", "/metrics"})
"""Paths that are names of what is asked for. Others hold the name of a file or the key of a row, and are not told."""
COMMAND = re.compile(rb"\s*([A-Za-z]+)")
TARGET = re.compile(
    rb'\s*(?:(?:UPDATE|INSERT INTO|DELETE FROM) "?(\w+)|SELECT\s(?:(?!\sFROM\s).)*\sFROM\s"(\w+)")', re.DOTALL
)
"""The table that is written, or the first one that Django's ORM reads. Our own, of many tables, quote none."""
MAX_SUMMARIES = 2_000

_HEADERS = TraceContextTextMapPropagator()


class Tracer:
    """What sends the spans of this process."""

    def __init__(self, processor: SpanProcessor | None = None) -> None:
        os.environ.setdefault("OTEL_SERVICE_NAME", NAME)
        self._provider = TracerProvider()
        self._provider.add_span_processor(processor or BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(NAME)

    def end(self) -> None:
        """Send what is not sent yet."""
        self._provider.shutdown()

    @contextmanager
    def serving(self, meta: Mapping[str, Any], request_id: str) -> Iterator[None]:
        """The span of a request, in the trace of whoever sent it."""
        method, route = meta["REQUEST_METHOD"], meta["PATH_INFO"].rstrip("/") or "/"
        facts = {
            "http.request.method": method if method in METHODS else "_OTHER",
            "url.scheme": meta["wsgi.url_scheme"],
            "network.protocol.version": meta["SERVER_PROTOCOL"].partition("/")[2],
            "katha.request.id": request_id,
        }
        name = method if method in METHODS else "HTTP"
        if route in ROUTES:
            facts["http.route"] = route
            name = f"{name} {route}"
        sent = {header: meta.get(f"HTTP_{header.upper()}", "") for header in ("traceparent", "tracestate")}
        begun = _HEADERS.extract(sent, context.Context())
        with self._tracer.start_as_current_span(name, begun, trace.SpanKind.SERVER, facts, record_exception=False):
            yield

    def answered(self, status: int) -> None:
        """The request of this context is answered with this status."""
        span = trace.get_current_span()
        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            span.set_attribute("error.type", str(status))
            span.set_status(trace.StatusCode.ERROR)

    def traceresponse(self) -> bytes:
        """What the header of this name says: the trace, and the request's span in it."""
        headers: dict[str, str] = {}
        _HEADERS.inject(headers)
        return headers["traceparent"].encode()

    def here(self) -> context.Context:
        """The span of this request, to go on in elsewhere."""
        return context.get_current()

    def within(self, span: context.Context, call: Callable[[], Any]) -> Any:
        """What it returns in a thread or a fiber that goes on with this span."""
        token = context.attach(span)
        try:
            return call()
        finally:
            context.detach(token)

    def trace_id(self) -> str | None:
        """That of this context, in hexadecimal."""
        at = trace.get_current_span().get_span_context()
        return trace.format_trace_id(at.trace_id) if at.is_valid else None

    @contextmanager
    def running(self, sql: bytes, name: bytes) -> Iterator[None]:
        """The span of a statement."""
        began = time.perf_counter()
        try:
            yield
        except BaseException as error:
            self.ran(sql, name, began, error)
            raise
        self.ran(sql, name, began)

    def ran(self, sql: bytes, name: bytes, began: float, error: BaseException | None = None) -> None:
        """The span of a statement that has run since `began` (of `time.perf_counter`), or has failed."""
        end = time.time_ns()
        start = end - int((time.perf_counter() - began) * 1e9)
        said, facts = summary(sql, name)
        span = self._tracer.start_span(said, kind=trace.SpanKind.CLIENT, attributes=facts, start_time=start)
        if error is not None:
            code = _sqlstate(error)
            if code:
                span.set_attribute("db.response.status_code", code)
            span.set_attribute("error.type", code or type(error).__qualname__)
            span.set_status(trace.StatusCode.ERROR)
        span.end(end)


class Summary(NamedTuple):
    """What a statement does: of which there are few."""

    name: str
    facts: Mapping[str, str]


@lru_cache(MAX_SUMMARIES)
def summary(sql: bytes, name: bytes) -> Summary:
    """What the statement does to which table, as far as its beginning tells, and the name by which it is prepared."""
    command, target = COMMAND.match(sql), TARGET.match(sql)
    operation = command[1].decode().upper() if command else "UNKNOWN"
    facts = {"db.system.name": "postgresql", "db.operation.name": operation}
    said = operation
    if target:
        facts["db.collection.name"] = (target[1] or target[2]).decode()
        said = f"{operation} {facts['db.collection.name']}"
    facts["db.query.summary"] = said
    if name:
        facts["katha.statement.name"] = name.decode()
    return Summary(said, facts)


def _sqlstate(error: BaseException | None) -> str | None:
    """What PostgreSQL has said of it, in an error or in one of its causes."""
    while error is not None:
        code: str | None = getattr(error, "sqlstate", None)
        if code:
            return code
        error = error.__cause__
    return None
