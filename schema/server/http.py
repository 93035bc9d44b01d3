"""GraphQL over HTTP (the draft specification of graphql.org): from a request whose body has arrived to its answer.

`respond` is the chain that every request to /graphql passes through, in this order:

    the host that it names     421 if this server does not answer to it
    a preflight of CORS        answered by django-cors-headers
    HTTPS                      301 to there, in production
    the media type             406 if the client accepts none of ours
    the sender's allowance     429 if it is used up
    what is asked for          400, 405, 413, 415, 422
    a constant answer          given at once
    a slot of admission        503 if there will be none in time
      the CSRF check           403
      the document             its variables and cost, the execution, cookies, compression
    headers                    CORS, security

`respond` runs in the event loop. A query whose statement is known stays there: only the database works for it. A mutation is done
there in a fiber. What takes long goes to a thread: a document or a statement that is new, a session's cookies, what is
expensive, errors, a large answer to compress.
"""

import json
import logging
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import TooManyFieldsSent
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware

from backend.engine import metrics
from backend.engine.errors import Busy, RateLimited
from backend.engine.refusal_log import log_refusal
from backend.limits.admission import EXPENSIVE, HASHING, REQUESTS, SMALL
from resolvers.access import bearer_token
from schema.context import Context
from schema.execution.documents import Prepared, at_hand, constant, prepare, sent
from schema.execution.errors import RequestError, fault
from schema.execution.problems import UNPROCESSABLE, Problem, busy, log_problem, too_many
from schema.execution.run import Execution
from schema.execution.steps import IN_THREAD, Slot, Steps
from schema.server import safety
from schema.server.accept import MAX_HEADERS, preferred
from schema.server.asked import JSON, METHODS, Asked, asked_of
from schema.server.compression import GZIP, QUICKLY_COMPRESSED_BYTES, coding, compressed
from schema.server.driving import Server, driven
from schema.server.requests import Answer, Request

log = logging.getLogger("katha")

GRAPHQL_RESPONSE = "application/graphql-response+json"
HTML = "text/html"
PARTIAL = 294
"""The status that the draft recommends since 2025 for data with errors."""
MALFORMED_COST, REJECTED_COST = 1, 100
"""The cost of a request that is no GraphQL request, and of one that cannot be executed, whose document has to be parsed. Any
other costs what its operation does.
"""
NO_STREAM = (
    "A subscription has many answers: ask for it with Accept: text/event-stream, or over a WebSocket with the subprotocol "
    "graphql-transport-ws."
)
MAX_SITES = 50
"""How many fields with arguments a document may have whose variables are read in the event loop."""


class _Csrf(CsrfViewMiddleware):
    """Django's check, which says only whether a request has passed."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:  # noqa: ARG002
        return HttpResponse(status=403)


_CORS = CorsMiddleware(lambda _request: HttpResponse())
_CSRF = _Csrf(lambda _request: HttpResponse())
_SESSIONS = SessionMiddleware(lambda _request: HttpResponse())


async def respond(request: Request, server: Server, answered: "Answering | None" = None) -> Answer:
    """Answer a request to /graphql; by `answered`, where it asks for something else than one answer."""
    safety.distrust(request)
    try:
        if not request.policy.any_host:
            safety.require_our_host(request)
        answer = _preflight(request) or _redirect(request) or await (answered or _answered)(request, server)
    except Problem as problem:
        answer = turned_away(request, problem)
    return with_headers(request, answer)


Answering = Callable[[Request, Server], Awaitable[Answer]]
"""Answers a request that has come to the right server."""


def with_headers(request: Request, answer: Answer) -> Answer:
    """The answer with what browsers need: CORS, and that this server is only asked by HTTPS."""
    if request.policy.cors and "HTTP_ORIGIN" in request.META:
        answer.add(_cors_headers(request))
    if request.policy.strict_transport and request.is_secure():
        answer.headers["Strict-Transport-Security"] = request.policy.strict_transport
    return answer


def _redirect(request: Request) -> Answer | None:
    """To HTTPS, where production demands it."""
    if not request.policy.https_only or request.is_secure():
        return None
    return Answer(301, headers={"Location": f"https://{request.get_host()}{request.get_full_path()}"})


async def _answered(request: Request, server: Server) -> Answer:
    media = _media(request.choice("HTTP_ACCEPT"))
    draft = request.policy.draft_statuses and media == GRAPHQL_RESPONSE
    context = Context(request)
    try:
        if media is None:
            raise Problem(406, "NOT_ACCEPTABLE", f"This answers as {GRAPHQL_RESPONSE} or {JSON}.")
        if request.method == "OPTIONS":
            return Answer(204, headers={"Allow": METHODS})
        context.require_allowance()
        served = await _served(request, context, server)
        return _answer(PARTIAL if draft and served.has_errors else 200, media, served)
    except Problem as problem:
        return turned_away(request, problem, media or JSON, draft=draft)
    except TooManyFieldsSent:
        return turned_away(
            request, Problem(400, "BAD_REQUEST", "The request holds too many parameters."), media or JSON
        )
    except RateLimited as refusal:
        log_refusal(refusal, **request.facts)
        return turned_away(request, too_many(refusal), media or JSON)
    except Busy as refusal:
        return turned_away(request, busy(refusal), media or JSON)


@lru_cache(MAX_HEADERS)
def _media(accept: str) -> str | None:
    return preferred(accept, (JSON, GRAPHQL_RESPONSE))


def opens_explorer(request: Request) -> bool:
    """Whether a browser opens the page, instead of asking something."""
    if request.method not in ("GET", "HEAD") or not request.policy.explorer:
        return False
    if preferred(request.choice("HTTP_ACCEPT"), (JSON, GRAPHQL_RESPONSE, HTML)) != HTML:
        return False
    try:
        return not {"query", "documentId", "extensions"} & request.GET.keys()
    except TooManyFieldsSent:
        return False


# --- From what is asked for to what is served -------------------------------------------------------------------


class Served(NamedTuple):
    """The body of an answer, and what goes into its head."""

    body: bytes
    has_errors: bool = False
    encoding: str | None = None
    """How it is encoded, where that depends on what the client accepts."""
    cookies: tuple[str, ...] = ()


async def _served(request: Request, context: Context, server: Server) -> Served:
    try:
        asked = asked_of(request) if len(request.body) <= SMALL else None
        if asked is not None and (served := _constant(request, asked, context)):
            return served
        return await driven(request, _steps(request, asked, context), server)
    except Problem as problem:
        context.charge(REJECTED_COST if isinstance(problem, RequestError) else MALFORMED_COST)
        raise


def _constant(request: Request, asked: Asked, context: Context) -> Served | None:
    """What needs no slot, because its answer is always the same and no cookie has to be checked."""
    if asked.query is None or asked.sha256 or request.policy.trusted_only or "HTTP_COOKIE" in request.META:
        return None
    found = None if asked.variables else constant(asked.query, asked.operation_name)
    if found is None:
        return None
    context.spend(found.cost)
    metrics.GOOD_QUERIES.inc()
    return Served(found.answer)


def _steps(request: Request, asked: Asked | None, context: Context) -> Steps[Served]:
    """All that is done for a request in a slot, from its document to the body of its answer."""
    lane, execution = REQUESTS, _at_hand(request, asked, context)
    is_at_hand = execution is not None
    if execution is None:
        yield IN_THREAD
        asked = asked or asked_of(request)
        check_csrf(request)
        document = sent(asked.query, asked.document_id, asked.sha256)
        if document.is_expensive:
            lane = EXPENSIVE
            yield Slot(lane)
        execution = execution_of(request, asked, prepare(document), context)
    if execution.slot.lane not in (lane, REQUESTS):
        yield execution.slot
    if not is_at_hand:
        execution.bind()
    done = yield from execution.steps()
    body = done if isinstance(done, bytes) else as_json(done)
    encoding = coding(request, body, signs_in=execution.slot.lane == HASHING)
    if _may_set_cookies(request) or (encoding == GZIP and len(body) > QUICKLY_COMPRESSED_BYTES):
        yield IN_THREAD
    if encoding == GZIP:
        body = compressed(body)
    return Served(body, isinstance(done, dict) and "errors" in done, encoding, _cookies(request))


def _at_hand(request: Request, asked: Asked | None, context: Context) -> Execution | None:
    """What is executed, if it is a small operation that was executed before, and no cookie says who asks."""
    if asked is None or (not context.has_token and "HTTP_COOKIE" in request.META):
        return None
    prepared = at_hand(asked.query, asked.document_id, asked.sha256)
    if prepared is None:
        return None
    if len(prepared.operation(asked.operation_name).sites) > MAX_SITES:
        return None
    return execution_of(request, asked, prepared, context)


def execution_of(request: Request, asked: Asked, prepared: Prepared, context: Context) -> Execution:
    """The query or mutation that is asked for. Raises `Problem` for a mutation by GET, and for a subscription."""
    operation = prepared.operation(asked.operation_name)
    if operation.is_subscription:
        raise Problem(406, "NOT_ACCEPTABLE", NO_STREAM)
    if request.method != "POST" and not operation.is_query:
        raise Problem(
            405, "METHOD_NOT_ALLOWED", "GET only reads: send a mutation with POST.", headers={"Allow": "POST"}
        )
    return Execution(operation, asked.variables, context)


# --- Cookies and CORS, by Django's own middleware ---------------------------------------------------------------


def check_csrf(request: Request) -> None:
    """Raise `Problem` if the request has a session cookie but no valid CSRF token.

    A request with a valid token is marked `csrf_passed`: signing in then also sets a session cookie.
    """
    if request.method != "POST" or bearer_token(request) is not None or not request.COOKIES:
        return
    _CSRF.process_request(request)
    passed = _CSRF.process_view(request, lambda _request: HttpResponse(), (), {}) is None
    if not passed and settings.SESSION_COOKIE_NAME in request.COOKIES:
        raise Problem(
            403,
            "FORBIDDEN",
            "A request that is signed in by cookie needs the header X-CSRFToken with the value of the cookie "
            f"{settings.CSRF_COOKIE_NAME}. Apps send Authorization: Bearer … instead.",
        )
    request.csrf_passed = passed


def _may_set_cookies(request: Request) -> bool:
    return "session" in vars(request) or bool(request.META.get("CSRF_COOKIE_NEEDS_UPDATE"))


def _cookies(request: Request) -> tuple[str, ...]:
    """What to set: a session that has begun or ended, and the CSRF token that signing in has rotated."""
    if not _may_set_cookies(request):
        return ()
    response = HttpResponse()
    if "session" in vars(request):
        try:
            _SESSIONS.process_response(request, response)
        except (SessionInterrupted, DatabaseError, InterfaceError) as error:  # what was done is told all the same
            log.error("a session could not be saved", exc_info=error)
    _CSRF.process_response(request, response)
    return tuple(cookie.OutputString() for cookie in response.cookies.values())


def _preflight(request: Request) -> Answer | None:
    if request.method != "OPTIONS" or not request.policy.cors:
        return None
    response = _CORS.check_preflight(request)
    return None if response is None else Answer(response.status_code)


def _cors_headers(request: Request) -> dict[str, str]:
    if "HTTP_ORIGIN" not in request.META:  # no browser asks for another site
        return {"Vary": "origin"}
    response = _CORS.add_response_headers(request, HttpResponse())
    return {name: value for name, value in response.items() if name != "Content-Type"}


# --- Writing the answer -----------------------------------------------------------------------------------------


def turned_away(request: Request, problem: Problem, media: str = JSON, *, draft: bool = False) -> Answer:
    """The answer to a request that is not served; counted and logged."""
    log_problem(problem, **request.facts)
    status = 400 if problem.status == UNPROCESSABLE and not draft else problem.status
    if isinstance(problem, RequestError) and media != GRAPHQL_RESPONSE:
        status = 200  # in application/json clients trust only 200, because other statuses may come from a proxy
    answer = _answer(status, media, Served(as_json(problem.answer)))
    answer.add(problem.headers)
    return answer


def refused(request: Request, problem: Problem) -> Answer:
    """As `turned_away`, in JSON and with what browsers need: for what does not come through `respond`."""
    return with_headers(request, turned_away(request, problem))


def failed(request: Request, error: Exception) -> Answer:
    """The answer to a request that an internal error has ended, which is logged."""
    log.error("fault", exc_info=error, extra=request.facts)
    return refused(request, fault(request.id))


def _answer(status: int, media: str, served: Served) -> Answer:
    headers = {"Content-Type": f"{media}; charset=utf-8"}
    if served.encoding is not None:
        headers["Vary"] = "Accept-Encoding"
    if served.encoding == GZIP:
        headers["Content-Encoding"] = GZIP
    return Answer(status, served.body, headers, list(served.cookies))


def as_json(answer: dict[str, Any]) -> bytes:
    """An answer as JSON."""
    try:
        return orjson.dumps(answer)
    except TypeError:  # a value that orjson cannot encode, such as a lone surrogate
        return json.dumps(answer, default=str).encode()
