"""Which pages may open a WebSocket: a browser lets every page do it, and sends this server's cookies along."""

from urllib.parse import urlsplit

from corsheaders.middleware import CorsMiddleware
from django.http import HttpResponse

from schema.execution.problems import Problem
from schema.server.requests import Request

_CORS = CorsMiddleware(lambda _request: HttpResponse())
FOREIGN = "A page of another site may not connect: its origin is none that this server was told of."


def require_our_page(request: Request) -> None:
    """Raise `Problem` for a page of a site that may not ask. One that may, but is not this server's own, uses tokens: its
    cookies count for nothing. What names no origin is no browser.
    """
    origin = request.META.get("HTTP_ORIGIN")
    if origin is None or origin == f"{request.scheme}://{request.get_host()}":
        return
    request.META.pop("HTTP_COOKIE", None)
    if not request.policy.cors or not _is_allowed(origin):
        raise Problem(403, "FORBIDDEN", FOREIGN)


def _is_allowed(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return origin != "null" and bool(_CORS.origin_found_in_white_lists(origin, parts))
