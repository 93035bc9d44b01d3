"""Spans: one for each request and one for each statement, in the trace of whoever asks, and with nothing of what people wrote."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from threading import Thread
from typing import Any

import pytest
from django.db import DataError, connection

from backend import tracing
from backend.engine.deadline import Deadline
from backend.engine.pipeline import Sent, Statement
from backend.postgresql.select import select
from tests.api import ApiClient
from tests.logged import Logged
from tests.schema.in_loop import Answered, Held, Server, within
from tests.serving import PATIENCE_SECONDS, ROOT, serving
from tests.waiting import until_it_is

WHY = "OpenTelemetry is not installed: .venv/bin/python -m pip install --require-hashes -r requirements/dev.txt"
memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter", reason=WHY)
export = pytest.importorskip("opentelemetry.sdk.trace.export", reason=WHY)

pytestmark = pytest.mark.django_db(transaction=True)

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECRET = "a bio that nobody traces"
ME = "{ viewer { handle name } }"
WRITE = (
    f'mutation {{ updateProfile(patch: {{bio: "{SECRET}"}}, expect: {{version: "1"}}) {{ '
    "... on ProfileSuccess { applied person { bio } } } }"
)


class Spans:
    """The spans that have ended, by what they are."""

    def __init__(self) -> None:
        self._exporter = memory.InMemorySpanExporter()
        tracing.begin(export.SimpleSpanProcessor(self._exporter))

    @property
    def all(self) -> list[Any]:
        return list(self._exporter.get_finished_spans())

    @property
    def request(self) -> Any:
        """The only one of a request."""
        (span,) = [one for one in self.all if one.kind.name == "SERVER"]
        return span

    @property
    def statements(self) -> list[Any]:
        return [one for one in self.all if one.kind.name == "CLIENT"]

    def forget(self) -> None:
        self._exporter.clear()


@pytest.fixture
def spans() -> Iterator[Spans]:
    """What is traced meanwhile."""
    yield Spans()
    tracing.end()


def answered(
    document: str, token: str | None, *, times: int = 1, spans: Spans | None = None, **headers: str
) -> Answered:
    """The last answer of so many; only that one's spans are kept."""
    found: list[Answered] = []

    async def work(server: Server) -> None:
        for _ in range(times):
            if spans is not None:
                spans.forget()
            answer = await server.ask(document, token=token, **headers)
            assert answer is not None
            found.append(answer)

    within(work)
    return found[-1]


def hexed(number: int, digits: int) -> str:
    return format(number, f"0{digits}x")


@pytest.mark.parametrize("times", [1, 3], ids=["in a thread", "in the loop"])
def test_a_query_is_a_span_with_its_statement_below(asha: ApiClient, spans: Spans, times: int) -> None:
    """The answer says where they are found."""
    answer = answered(ME, asha.token, times=times, spans=spans)
    request, (statement,) = spans.request, spans.statements
    assert (request.name, request.attributes["http.route"]) == ("POST /graphql", "/graphql")
    assert (request.attributes["http.response.status_code"], request.parent) == (200, None)
    assert request.attributes["katha.request.id"] == answer.headers["x-request-id"]
    assert statement.parent.span_id == request.context.span_id
    assert statement.context.trace_id == request.context.trace_id
    assert statement.name == "SELECT"
    assert statement.attributes["db.system.name"] == "postgresql"
    assert statement.attributes["katha.statement.name"].startswith("r_")
    assert request.start_time <= statement.start_time <= statement.end_time <= request.end_time
    assert answer.headers["traceresponse"] == (
        f"00-{hexed(request.context.trace_id, 32)}-{hexed(request.context.span_id, 16)}-{request.context.trace_flags:02x}"
    )


def test_a_mutation_is_a_span_with_each_of_its_statements_below(asha: ApiClient, spans: Spans) -> None:
    """Also those that travel together, with BEGIN and COMMIT."""
    answered(WRITE, asha.token, spans=spans)
    names = [one.name for one in spans.statements]
    assert names.count("BEGIN") == names.count("COMMIT") == 1
    assert "UPDATE people_person" in names
    assert names.index("BEGIN") < names.index("UPDATE people_person") < names.index("COMMIT")
    request = spans.request
    assert {one.parent.span_id for one in spans.statements} == {request.context.span_id}
    update = spans.statements[names.index("UPDATE people_person")]
    assert update.attributes["db.collection.name"] == "people_person"
    assert update.attributes["katha.statement.name"].startswith("r_")


def test_a_request_continues_the_trace_of_whoever_asks(asha: ApiClient, spans: Spans) -> None:
    answer = answered(ME, asha.token, traceparent=f"00-{TRACE}-{SPAN}-01", tracestate="vendor=1")
    request = spans.request
    assert (hexed(request.context.trace_id, 32), hexed(request.parent.span_id, 16)) == (TRACE, SPAN)
    assert request.context.trace_state.get("vendor") == "1"
    assert answer.headers["traceresponse"] == f"00-{TRACE}-{hexed(request.context.span_id, 16)}-01"


@pytest.mark.parametrize("sent", ["", "nonsense", f"00-{'0' * 32}-{SPAN}-01", f"ff-{TRACE}-{SPAN}-01", "x" * 5_000])
def test_what_is_no_trace_begins_a_new_one(asha: ApiClient, spans: Spans, sent: str) -> None:
    answered(ME, asha.token, traceparent=sent)
    request = spans.request
    assert request.parent is None
    assert hexed(request.context.trace_id, 32) != TRACE


def test_what_is_not_to_be_sampled_is_not_sent(asha: ApiClient, spans: Spans) -> None:
    """Its trace is named all the same."""
    answer = answered(ME, asha.token, traceparent=f"00-{TRACE}-{SPAN}-00")
    assert spans.all == []
    assert answer.headers["traceresponse"].startswith(f"00-{TRACE}-")
    assert answer.headers["traceresponse"].endswith("-00")


def test_a_line_of_the_log_names_the_trace(asha: ApiClient, spans: Spans, logged: Logged) -> None:
    """What is logged in a thread, and what is logged in the loop. Without tracing no line names one."""
    wrong = 'mutation { signIn(handle: "asha", password: "a wrong one") { ... on Failure { code } } }'
    answered(wrong, None, traceparent=f"00-{TRACE}-{SPAN}-01")
    answered(ME, None, traceparent=f"00-{TRACE[::-1]}-{SPAN}-01", accept="text/plain")
    tracing.end()
    answered(wrong, None, traceparent=f"00-{TRACE}-{SPAN}-01")
    found = [(line["event"], line.get("trace_id")) for line in logged.all_lines()]
    assert found == [("sign-in failed", TRACE), ("turned away", TRACE[::-1]), ("sign-in failed", None)]


def test_mutations_that_take_turns_keep_what_is_theirs(
    asha: ApiClient, bilal: ApiClient, spans: Spans, logged: Logged
) -> None:
    """One waits in its fiber while another begins and ends: each line, and each span, is of the request that it is of."""
    facts = ("viewer", "request_id", "operation", "mutation", "trace_id")
    follow = (
        f'mutation One {{ follow(person: "{bilal.id}", expect: {{version: "7"}}) {{ ... on Failure {{ code }} }} }}'
    )
    rename = 'mutation Two { updateProfile(patch: {name: "B"}, expect: {version: "7"}) { ... on Failure { code } } }'

    async def work(server: Server) -> None:
        for document in (follow, rename):
            await server.ask(document, token=bilal.token)
        logged.handler.forget()
        with Held("social_relationship") as held, server.counted():
            one = asyncio.ensure_future(
                server.ask(follow, token=asha.token, x_request_id="1", traceparent=f"00-{TRACE}-{SPAN}-01")
            )
            await until_it_is(lambda: held.waiting() == 1)
            await server.ask(rename, token=bilal.token, x_request_id="2", traceparent=f"00-{TRACE[::-1]}-{SPAN}-01")
            held.release()
            await one
            assert server.fibers == 2

    within(work)
    first, second = (asha, "1", "One", "follow", TRACE), (bilal, "2", "Two", "updateProfile", TRACE[::-1])
    said = [tuple(line.get(fact) for fact in facts) for line in logged.all_lines() if line["event"] == "conflict"]
    assert said[-2:] == [(str(who.person.pk), *rest) for who, *rest in (second, first)]
    servers = {
        one.context.span_id: one.attributes["katha.request.id"] for one in spans.all if one.kind.name == "SERVER"
    }
    of = {hexed(one.context.trace_id, 32): servers[one.parent.span_id] for one in spans.statements}
    assert (of[TRACE], of[TRACE[::-1]]) == ("1", "2")


def test_nothing_of_what_people_wrote_is_in_a_span(asha: ApiClient, spans: Spans) -> None:
    """No text, no token, no variable, no alias, and no SQL but its first words."""
    answered(WRITE, asha.token)
    answered("query Mine($h: String!) { secretAlias: person(handle: $h) { bio } }", asha.token, times=2)
    told = " ".join(one.to_json() for one in spans.all)
    for part in (SECRET, asha.token or "", "secretAlias", "WHERE", "$1", "asha", "127.0.0.1"):
        assert part not in told


@pytest.mark.parametrize("way", ["Django's cursor", "a thread", "the loop", "the pipeline"])
def test_a_statement_that_fails_says_how(spans: Spans, way: str) -> None:
    """By its SQLSTATE; the words of PostgreSQL may hold a value."""
    sql = "SELECT 1/0"
    if way == "Django's cursor":
        with pytest.raises(DataError), connection.cursor() as cursor:
            cursor.execute(sql)
    elif way == "a thread":
        with pytest.raises(DataError):
            select(Statement.of(sql), [])
    elif way == "the loop":

        async def work(server: Server) -> None:
            with pytest.raises(DataError):
                await server.application.reads.fetch(Statement.of(sql), [], Deadline(PATIENCE_SECONDS))

        within(work)
    else:
        pipeline: Any = connection.pipeline  # type: ignore[attr-defined]
        with pytest.raises(DataError):
            pipeline.result(pipeline.send(Sent(Statement.of(sql), [])))
    (span,) = [one for one in spans.statements if one.name == "SELECT"]
    assert (span.status.status_code.name, span.status.description) == ("ERROR", None)
    assert span.attributes["error.type"] == span.attributes["db.response.status_code"] == "22012"
    assert not span.events


def test_while_nothing_is_traced_nothing_is_told(asha: ApiClient) -> None:
    assert tracing.tracer is None
    assert tracing.serving({}, "") is tracing.running(b"SELECT 1")
    call = object()
    assert tracing.carried(call) is call  # type: ignore[arg-type, comparison-overlap]
    assert "traceresponse" not in answered(ME, asha.token, traceparent=f"00-{TRACE}-{SPAN}-01").headers


def test_where_it_is_not_wanted_opentelemetry_is_not_even_imported() -> None:
    """And where it is not installed, the server runs without."""
    code = (
        "import sys, django; django.setup()\n"
        "from schema.server import asgi, workers\n"
        "from backend import tracing\n"
        "tracing.begin()\n"
        "assert tracing.tracer is None\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)


def test_it_is_asked_for_by_opentelemetrys_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that names an endpoint; and it is told apart whether it can be done."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    assert not tracing.is_wanted()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    assert tracing.is_wanted()
    assert tracing.is_installed()
    monkeypatch.setattr(tracing, "find_spec", _no_such_module)
    assert not tracing.is_installed()
    tracing.begin()
    assert tracing.tracer is None
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert not tracing.is_wanted()


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        (b'UPDATE "people_person" SET "bio" = $1::text', "UPDATE people_person"),
        (b"INSERT INTO limits_bucket (key) VALUES ($1)", "INSERT limits_bucket"),
        (b'\n  DELETE FROM "a_b" WHERE 1=1', "DELETE a_b"),
        (b'SELECT "x"."id"\nFROM t, lateral (SELECT 1 FROM "inner")', "SELECT"),
        (b'SELECT "people_account"."login" FROM "people_account" WHERE', "SELECT people_account"),
        (b"SELECT json_build_object('a', story.title) FROM stories_story AS story", "SELECT"),
        (b"BEGIN", "BEGIN"),
        (b"begin isolation level serializable", "BEGIN"),
        (b"", "UNKNOWN"),
    ],
)
def test_a_statement_is_named_by_what_it_does_to_which_table(sql: bytes, name: str) -> None:
    """Of few names, so that those who look can add them up."""
    spans = import_module("backend.tracing.spans")
    said = spans.summary(sql, b"r_1")
    assert (said.name, said.facts["db.query.summary"], said.facts["katha.statement.name"]) == (name, name, "r_1")
    assert said.facts.get("db.collection.name", "") == name.partition(" ")[2]


def _no_such_module(name: str) -> None:
    raise ModuleNotFoundError(name)


def test_a_server_sends_its_spans_to_the_endpoint(served_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of pages too; and the last ones when it stops."""
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Collector) as collector:
        Thread(target=collector.serve_forever, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
        with serving(served_database, workers=1):
            pass  # which asks for /readyz until it is ready
        collector.shutdown()
    assert {path for path, _ in received} == {"/v1/traces"}
    told = b"".join(body for _, body in received)
    assert b"GET /readyz" in told
    assert b"service.name\x12\x07\n\x05katha" in told
    assert b"postgresql" in told
