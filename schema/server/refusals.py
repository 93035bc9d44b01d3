"""JSON error responses for requests outside GraphQL.

`urls` registers them as Django's error handlers.
"""

from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from backend import logs
from schema.execution import errors
from schema.execution.problems import Problem, log_problem

READING = "GET, HEAD, OPTIONS"

View = Callable[..., HttpResponse]
"""Given the request, and the parts of its path by name."""


def refusal(status: int, code: str, message: str) -> HttpResponse:
    """As `refused`, of a new problem."""
    return refused(Problem(status, code, message))


def refused(problem: Problem) -> HttpResponse:
    """A response with one error in GraphQL's format; counted and logged."""
    log_problem(problem)
    response = JsonResponse(problem.answer, status=problem.status, headers=problem.headers)
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def not_found(_request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001
    """404: there is nothing at this path."""
    return refusal(404, "NOT_FOUND", "There is nothing here. GraphQL is asked at /graphql.")


def bad_request(_request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001
    """400: the request is malformed."""
    return refusal(400, "BAD_REQUEST", "The request cannot be read.")


def forbidden(_request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001
    """403: access is denied."""
    return refusal(403, "FORBIDDEN", "You may not see or do this.")


def unproven(_request: HttpRequest, **_facts: object) -> HttpResponse:
    """403: the CSRF token is missing or invalid."""
    return refusal(403, "FORBIDDEN", "This page has expired, or another site has sent it. Load it again.")


def fault(_request: HttpRequest) -> HttpResponse:
    """500: an internal error, which Django has logged."""
    return refused(errors.fault(logs.this_request()))


def not_allowed(methods: str) -> HttpResponse:
    """405: the method is not allowed."""
    response = refusal(405, "METHOD_NOT_ALLOWED", "This is only read: use GET.")
    response["Allow"] = methods
    return response


def reading(view: View) -> View:
    """Decorate a read-only view: methods other than GET and HEAD are answered 405."""

    @csrf_exempt  # read-only
    @wraps(view)
    def answer(request: HttpRequest, **parts: str) -> HttpResponse:
        if request.method in ("GET", "HEAD"):
            return view(request, **parts)
        if request.method == "OPTIONS":
            return HttpResponse(status=204, headers={"Allow": READING})
        return not_allowed(READING)

    return answer


def for_developers(view: View) -> View:
    """Decorate a view that is for developers: 404 while `EXPLORER` is off."""

    @wraps(view)
    def answer(request: HttpRequest, **parts: str) -> HttpResponse:
        return view(request, **parts) if settings.EXPLORER else not_found(request)

    return answer
