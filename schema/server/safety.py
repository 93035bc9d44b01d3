"""What every answer tells browsers, and which requests are not looked at: those for another host.

Besides this, Django's own middleware sets nosniff, Referrer-Policy, X-Frame-Options, Cross-Origin-Opener-Policy and, in
production, Strict-Transport-Security.
"""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse

from backend.limits.addresses import comes_by_proxy
from schema.server.refusals import not_allowed, refusal

PAGES = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""The Content-Security-Policy of a page that says nothing else: all that it needs are our own files."""

PROBES = frozenset({"/healthz", "/readyz"})
"""What those who look after the server ask by its address, not by its name."""

Answer = Callable[[HttpRequest], HttpResponse]


def safe(answer: Answer) -> Answer:
    """The middleware before all others that look into a request."""

    def answer_safely(request: HttpRequest) -> HttpResponse:
        if "HTTP_X_FORWARDED_PROTO" in request.META and not comes_by_proxy(request):
            del request.META["HTTP_X_FORWARDED_PROTO"]
        response = answer(request) if _is_for_us(request) else _misdirected()
        if response.status_code == 405 and "Content-Type" not in response:  # of a static file
            response = not_allowed(response["Allow"])
        if response.get("Content-Type", "").startswith("text/html"):
            response.headers.setdefault("Content-Security-Policy", PAGES)
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    return answer_safely


def _is_for_us(request: HttpRequest) -> bool:
    if settings.ALLOWED_HOSTS == ["*"] or request.path in PROBES:
        return True
    try:
        request.get_host()
    except DisallowedHost:
        return False
    return True


def _misdirected() -> HttpResponse:
    return refusal(421, "MISDIRECTED_REQUEST", "This server does not answer to the name in the header Host.")
