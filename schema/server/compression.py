"""Which answers are compressed, and how.

The length of a compressed answer tells whether a guess in it repeats a secret in it (the attack BREACH), so none is compressed
that holds a secret beside what somebody else may have put there:

    what signs one in     an operation that hashes a password: its answer may hold a new bearer token
    a session's answer    a cookie signs in, and no CSRF token proves that one of our own pages asks
    a page of a session   made for whoever is signed in, or with a form, which holds a CSRF token

A bearer token comes with no request that another site makes a browser send. What is short is never compressed.
"""

import gzip
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from schema.server.accept import accepts_gzip
from schema.server.requests import Request, choice

COMPRESSED_BYTES = 8 * 1024
"""Answers from this size on are compressed: smaller ones gain little."""
QUICKLY_COMPRESSED_BYTES = 64 * 1024
"""Answers up to this size are compressed in the event loop: it takes less than a millisecond."""
GZIP, IDENTITY = "gzip", "identity"
CSRF_FIELD = b"csrfmiddlewaretoken"
"""What Django calls the field of a form that holds the CSRF token."""

Answer = Callable[[HttpRequest], HttpResponse]


def compressed(body: bytes) -> bytes:
    """The body in gzip, the quick way."""
    return gzip.compress(body, compresslevel=1, mtime=0)


def coding(request: Request, body: bytes, *, signs_in: bool) -> str | None:
    """How to encode an answer of GraphQL; None if it is sent as it is, whatever the client accepts."""
    if len(body) < COMPRESSED_BYTES or signs_in or _is_by_cookie(request):
        return None
    return GZIP if accepts_gzip(request.choice("HTTP_ACCEPT_ENCODING")) else IDENTITY


def _is_by_cookie(request: Request) -> bool:
    return settings.SESSION_COOKIE_NAME in request.COOKIES and not request.csrf_passed


def compressing(answer: Answer) -> Answer:
    """For Django's pages and static files. Must come before all middleware that makes them."""

    def answer_compressed(request: HttpRequest) -> HttpResponse:
        accepted = GZIP if accepts_gzip(choice(request, "HTTP_ACCEPT_ENCODING")) else IDENTITY
        request.META["HTTP_ACCEPT_ENCODING"] = accepted  # WhiteNoise reads no qualities
        response = answer(request)
        if not _is_for_everybody(request, response):
            return response
        patch_vary_headers(response, ("Accept-Encoding",))
        if accepted == GZIP:
            response.content = compressed(response.content)
            response["Content-Encoding"] = GZIP
        return response

    return answer_compressed


def _is_for_everybody(request: HttpRequest, response: HttpResponse) -> bool:
    """Whether this is a page of some length that says the same to everybody; a static file has been compressed already."""
    if response.streaming or "Content-Encoding" in response or len(response.content) < COMPRESSED_BYTES:
        return False
    session = getattr(request, "session", None)
    return not (session is not None and session.accessed) and CSRF_FIELD not in response.content
