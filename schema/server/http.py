"""GraphQL over HTTP (the draft specification of graphql.org): from a request to an operation, and its answer back."""

import json
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.views.decorators.csrf import csrf_exempt
from graphql import OperationType

from backend.engine import refusal_log
from backend.engine.deadline import DEADLINE, Deadline, limited
from backend.engine.errors import RateLimited
from resolvers.access import bearer_token
from schema.context import Context
from schema.execution import problems
from schema.execution.documents import prepare, sent
from schema.execution.errors import RequestError
from schema.execution.frames import with_room
from schema.execution.problems import UNPROCESSABLE, Problem, too_many
from schema.execution.run import run
from schema.server.accept import preferred
from schema.server.arrival import cut_short, too_large
from schema.server.explorer.views import explorer

JSON = "application/json"
GRAPHQL_RESPONSE = "application/graphql-response+json"
HTML = "text/html"
PARTIAL = 294
"""The status that the draft recommends since 2025 for data with errors."""
METHODS = "GET, HEAD, POST, OPTIONS"
MALFORMED_COST, REJECTED_COST = 1, 100
"""The cost of a request that is no GraphQL request, and of one that cannot be executed, whose document has to be parsed. Any
other costs what its operation does.
"""


@csrf_exempt  # checked below, for requests with a session cookie
def graphql(request: HttpRequest) -> HttpResponse:
    """Answer a GraphQL request; a browser that opens the page gets the explorer, if that is on."""
    accepts = request.META.get("HTTP_ACCEPT", "")
    media = preferred(accepts, (JSON, GRAPHQL_RESPONSE))
    draft = settings.DRAFT_STATUSES and media == GRAPHQL_RESPONSE
    try:
        if (
            settings.EXPLORER
            and _opens_the_page(request)
            and preferred(accepts, (JSON, GRAPHQL_RESPONSE, HTML)) == HTML
        ):
            return explorer(request)
        if media is None:
            raise Problem(406, "NOT_ACCEPTABLE", f"This answers as {GRAPHQL_RESPONSE} or {JSON}.")
        if request.method == "OPTIONS":
            return HttpResponse(status=204, headers={"Allow": METHODS})
        answer = with_room(_execute, request)
        return _with_csrf_cookie(request, _respond(PARTIAL if draft and "errors" in answer else 200, media, answer))
    except Problem as problem:
        return _turn_away(problem, media or JSON, draft=draft)
    except TooManyFieldsSent:
        return _turn_away(Problem(400, "BAD_REQUEST", "The request holds too many parameters."), media or JSON)
    except RateLimited as refusal:
        refusal_log.log_refusal(refusal)
        return _turn_away(too_many(refusal), media or JSON)


def _opens_the_page(request: HttpRequest) -> bool:
    return request.method in ("GET", "HEAD") and not {"query", "documentId", "extensions"} & request.GET.keys()


def _turn_away(problem: Problem, media: str, *, draft: bool = False) -> HttpResponse:
    problems.log_problem(problem)
    status = 400 if problem.status == UNPROCESSABLE and not draft else problem.status
    if isinstance(problem, RequestError) and media != GRAPHQL_RESPONSE:
        status = 200  # in application/json clients trust only 200, because other statuses may come from a proxy
    response = _respond(status, media, problem.answer)
    for name, value in problem.headers.items():
        response[name] = value
    return response


def _execute(request: HttpRequest) -> dict[str, Any]:
    context = Context(request)
    context.require_allowance()
    try:
        return _executed(request, context)
    except Problem as problem:
        context.charge(REJECTED_COST if isinstance(problem, RequestError) else MALFORMED_COST)
        raise


def _executed(request: HttpRequest, context: Context) -> dict[str, Any]:
    query, variables, operation_name = _parameters(request)
    _check_csrf(request)
    prepared = prepare(query)
    operation = prepared.operation(operation_name)
    if request.method != "POST" and operation.operation is not OperationType.QUERY:
        raise Problem(
            405, "METHOD_NOT_ALLOWED", "GET only reads: send a mutation with POST.", headers={"Allow": "POST"}
        )
    deadline = request.META.get(DEADLINE) or Deadline(settings.REQUEST_SECONDS)
    with limited(deadline):
        return run(prepared, operation, variables, context)


def _parameters(request: HttpRequest) -> tuple[str, dict[str, Any] | None, str | None]:
    """The document, the variables and the operation name."""
    if request.method in ("GET", "HEAD"):
        members: Any = dict(request.GET.items())
        for name in ("variables", "extensions"):
            if members.get(name):
                members[name] = _json(members[name].encode("utf-8", "surrogatepass"), f"member `{name}`")
            else:
                members.pop(name, None)
    elif request.method == "POST":
        members = _json(_body(request), "body")
    else:
        raise Problem(405, "METHOD_NOT_ALLOWED", "GraphQL is asked by GET or POST.", headers={"Allow": METHODS})
    if isinstance(members, list):
        raise Problem(UNPROCESSABLE, "BAD_REQUEST", "Several requests in one are not served: send them one by one.")
    if not isinstance(members, dict):
        raise Problem(UNPROCESSABLE, "BAD_REQUEST", "The body must be a JSON object with a member `query`.")
    return _checked(members)


def _checked(members: dict[str, Any]) -> tuple[str, dict[str, Any] | None, str | None]:
    for member in ("operationName", "documentId"):
        if not isinstance(members.get(member), str | None):
            raise Problem(UNPROCESSABLE, "BAD_REQUEST", f"The member `{member}` must be a string or null.")
    for member in ("variables", "extensions"):
        if not isinstance(members.get(member), dict | None):
            raise Problem(UNPROCESSABLE, "BAD_REQUEST", f"The member `{member}` must be an object or null.")
    query, document, sha256 = members.get("query"), members.get("documentId"), _sha256(members.get("extensions"))
    named = query is None and (document or sha256)
    if not named and (not isinstance(query, str) or not query.strip()):
        raise Problem(
            UNPROCESSABLE, "BAD_REQUEST", "The member `query` must be a string that holds a GraphQL document."
        )
    return sent(query, document, sha256), members.get("variables"), members.get("operationName") or None


def _sha256(extensions: dict[str, Any] | None) -> str | None:
    """The hash of an automatic persisted query."""
    persisted = (extensions or {}).get("persistedQuery")
    if persisted is None:
        return None
    if not isinstance(persisted, dict) or not isinstance(persisted.get("sha256Hash"), str):
        raise Problem(
            UNPROCESSABLE, "BAD_REQUEST", "`extensions.persistedQuery` must be an object with a string `sha256Hash`."
        )
    sha256: str = persisted["sha256Hash"]
    return sha256


def _body(request: HttpRequest) -> bytes:
    charset = (request.content_params or {}).get("charset", "utf-8")
    if request.content_type != JSON or charset.lower() not in ("utf-8", "utf8"):
        raise Problem(415, "UNSUPPORTED_MEDIA_TYPE", f"Send the request as Content-Type: {JSON}, in UTF-8.")
    if request.META.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() not in ("", "identity"):
        raise Problem(415, "UNSUPPORTED_MEDIA_TYPE", "Send the body as it is, without a Content-Encoding.")
    try:
        return request.body
    except RequestDataTooBig:
        raise too_large(settings.DATA_UPLOAD_MAX_MEMORY_SIZE) from None
    except OSError:
        raise cut_short() from None


def _json(raw: bytes, what: str) -> Any:
    """Parse JSON. orjson refuses lone surrogates without saying where, so the json module parses again; `engine.text` then
    reports the path.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(raw.decode("utf-8"), parse_constant=_no_constant, parse_int=_whole)
    except (ValueError, RecursionError):
        raise Problem(400, "BAD_REQUEST", f"The {what} is not valid JSON in UTF-8.") from None


def _whole(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:  # Python limits the number of digits
        raise Problem(400, "BAD_REQUEST", f"A number of {len(digits)} digits is too long.") from None


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _check_csrf(request: HttpRequest) -> None:
    """Raise `Problem` if the request has a session cookie but no valid CSRF token.

    A request with a valid token is marked `csrf_passed`: signing in then also sets a session cookie.
    """
    if request.method != "POST" or bearer_token(request) is not None or not request.COOKIES:
        return
    check = CsrfViewMiddleware(lambda _request: HttpResponse())
    check.process_request(request)
    passed = check.process_view(request, lambda _request: HttpResponse(), (), {}) is None
    if not passed and settings.SESSION_COOKIE_NAME in request.COOKIES:
        raise Problem(
            403,
            "FORBIDDEN",
            "A request that is signed in by cookie needs the header X-CSRFToken with the value of the cookie "
            f"{settings.CSRF_COOKIE_NAME}. Apps send Authorization: Bearer … instead.",
        )
    request.csrf_passed = passed  # type: ignore[attr-defined]


def _with_csrf_cookie(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Set the new CSRF cookie after signing in has rotated the token."""
    if request.META.get("CSRF_COOKIE_NEEDS_UPDATE"):
        CsrfViewMiddleware(lambda _request: response).process_response(request, response)
    return response


def _respond(status: int, media: str, answer: dict[str, Any]) -> HttpResponse:
    try:
        body = orjson.dumps(answer)
    except TypeError:  # a value that orjson cannot encode, such as a lone surrogate
        body = json.dumps(answer, default=str).encode()
    response = HttpResponse(body, status=status, content_type=f"{media}; charset=utf-8")
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response
