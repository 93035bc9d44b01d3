"""Which pages may open a WebSocket, or a stream by a cookie: browsers let every page ask, and send this server's cookies along.

To begin is already to do something, such as to be seen to have a story open; that the page cannot read the stream is not enough.
`SameSite` keeps the cookie from other sites, but not from other hosts of the same one.
"""

from urllib.parse import urlsplit

from corsheaders.middleware import CorsMiddleware
from django.http import HttpResponse

from schema.execution.problems import Problem
from schema.server.requests import Request

_CORS = CorsMiddleware(lambda _request: HttpResponse())
FOREIGN = "A page of another site may not connect: its origin is none that this server was told of."
OWN_PAGE = ("same-origin", "none")
"""What browsers say in Sec-Fetch-Site of a page of this server, and of what a person has typed."""


def require_our_page(request: Request) -> None:
    """Raise `Problem` for a page of a site that may not ask. One that may, but is not this server's own, uses tokens: its
    cookies count for nothing. What names neither an origin nor a site is no browser.
    """
    origin = request.META.get("HTTP_ORIGIN")
    if origin == f"{request.scheme}://{request.get_host()}":
        return
    if origin is None:  # so a browser asks by GET, for its own page or for one that does not want to read the answer
        if request.META.get("HTTP_SEC_FETCH_SITE", OWN_PAGE[0]) not in OWN_PAGE:
            raise Problem(403, "FORBIDDEN", FOREIGN)
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
