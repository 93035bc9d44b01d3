"""Security headers, and refusing requests to other hosts: functions for /graphql, and middleware for Django's pages.

Django's own middleware sets nosniff, Referrer-Policy, X-Frame-Options, Cross-Origin-Opener-Policy and, in
production, Strict-Transport-Security.
"""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse

from backend.limits.addresses import comes_by_proxy
from schema.execution.problems import Problem
from schema.server.refusals import not_allowed, refused

PAGES = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""The default Content-Security-Policy of pages: only our own files."""

PROBES = frozenset({"/healthz", "/readyz"})
"""Paths that probes request by IP address, so the Host is not checked."""

Answer = Callable[[HttpRequest], HttpResponse]


def safe(answer: Answer) -> Answer:
    """For Django's pages. Must come before all middleware that inspects requests."""

    def answer_safely(request: HttpRequest) -> HttpResponse:
        distrust(request)
        try:
            require_our_host(request)
        except Problem as problem:
            return refused(problem)
        response = answer(request)
        if response.status_code == 405 and "Content-Type" not in response:  # from the static files
            response = not_allowed(response["Allow"])
        if response.get("Content-Type", "").startswith("text/html"):
            response.headers.setdefault("Content-Security-Policy", PAGES)
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    return answer_safely


def distrust(request: HttpRequest) -> None:
    """Forget what only a trusted proxy may say."""
    if "HTTP_X_FORWARDED_PROTO" in request.META and not comes_by_proxy(request):
        del request.META["HTTP_X_FORWARDED_PROTO"]


def require_our_host(request: HttpRequest) -> None:
    """Raise `Problem` if the header Host names another server."""
    if settings.ALLOWED_HOSTS == ["*"] or request.path in PROBES:
        return
    try:
        request.get_host()
    except DisallowedHost:
        raise Problem(
            421, "MISDIRECTED_REQUEST", "This server does not answer to the name in the header Host."
        ) from None
