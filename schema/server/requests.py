"""A request and its answer, without the parts of Django's request that GraphQL never uses."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from django.conf import settings
from django.contrib import auth
from django.http import HttpRequest, QueryDict
from django.http.cookie import parse_cookie
from django.utils.functional import cached_property
from django.utils.module_loading import import_string

from backend import logs
from backend.engine.deadline import Deadline
from backend.engine.errors import RateLimited
from schema.server.policy import Policy

SESSION = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
MAX_CHARACTERS = 200
"""The maximum length of a logged path."""
MAX_NAMES = 500
"""How many names of headers are remembered with what WSGI calls them."""
MAX_NAME_BYTES = 100
"""The maximum length of such a name: longer ones would take much memory."""
MAX_CHOICE_CHARACTERS = 2_000
"""How much is read of a header by which the client chooses: the event loop reads them, and remembers what they choose."""


class Request(HttpRequest):
    """A request. Its `META` is that of WSGI; all else is read from there when it is first used.

    It is Django's request, so that Django's sessions, sign-in and CSRF check take it, but it is made in a tenth of the time.
    """

    POST = QueryDict()
    """No form: the body is JSON."""

    def __init__(self, meta: dict[str, Any], policy: Policy) -> None:
        self.META, self.policy = meta, policy
        self.id = logs.request_id(meta.get("HTTP_X_REQUEST_ID"))
        """The one that the client sent, or a new one: for the log, and a header of the answer."""
        self.method = meta["REQUEST_METHOD"]
        self.path = self.path_info = meta["PATH_INFO"]
        self.hashing_refusal: RateLimited | None = None
        """Set if the server has too many passwords to hash: then none is hashed for this request."""
        self.csrf_passed = False
        """Whether the browser has proved by the CSRF token that it loaded one of our pages."""

        self.receive: Callable[[], Awaitable[Mapping[str, Any]]]
        """Tells when the client disconnects; set by the server."""

    def arrived(self, body: bytes) -> None:
        """The body is there: from now on the time counts that the request may take."""
        self._body = body
        self.deadline = Deadline(self.policy.request_seconds)

    @cached_property
    def GET(self) -> QueryDict:  # type: ignore[override] # noqa: N802
        """The members of the query string. Raises `TooManyFieldsSent`."""
        return QueryDict(self.META["QUERY_STRING"].encode("latin-1"))

    @cached_property
    def COOKIES(self) -> dict[str, str]:  # type: ignore[override] # noqa: N802
        """The cookies."""
        return parse_cookie(self.META.get("HTTP_COOKIE", ""))

    @cached_property
    def session(self) -> Any:  # type: ignore[override]
        """The session that the cookie names, or a new one."""
        return SESSION(self.COOKIES.get(settings.SESSION_COOKIE_NAME))

    @cached_property
    def user(self) -> Any:  # type: ignore[override]
        """Whom the session signs in."""
        return auth.get_user(self)

    def choice(self, header: str) -> str:
        """The beginning of a header that says what the client accepts."""
        return choice(self, header)

    def again(self) -> "Request":
        """The same head once more, of which nothing has been looked up."""
        return Request(dict(self.META), self.policy)

    @property
    def facts(self) -> dict[str, Any]:
        """What the log says of it."""
        return facts_of(self, self.id)

    def _get_scheme(self) -> str:
        scheme: str = self.META["wsgi.url_scheme"]
        return scheme


def choice(request: HttpRequest, header: str) -> str:
    """The beginning of a header that says what the client accepts; browsers' have some 100 characters."""
    said: str = request.META.get(header, "")
    return said[:MAX_CHOICE_CHARACTERS]


def facts_of(request: HttpRequest, request_id: str) -> dict[str, Any]:
    """What the log says of a request."""
    return {"request_id": request_id, "method": request.method, "url": request.path[:MAX_CHARACTERS]}


class Stream(Protocol):
    """What is sent piece by piece, as long as the client listens."""

    async def run(self, connection: Any, receive: Any, send: Any) -> None:
        """Send it. `connection` is the protocol's."""


@dataclass
class Answer:
    """An answer: a status, headers and a body."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cookies: list[str] = field(default_factory=list)
    """Values of headers Set-Cookie."""
    stream: "Stream | None" = None
    """What follows the head instead of the body."""
    is_page: bool = False
    """Whether it is one of Django's pages, whose middleware has added the headers that every answer has."""

    def add(self, headers: Mapping[str, str]) -> None:
        """Add these headers. What the answer varies by is added up."""
        vary = self.headers.get("Vary")
        self.headers.update(headers)
        if vary and "Vary" in headers:
            self.headers["Vary"] = f"{vary}, {headers['Vary']}"


def meta_of(scope: Mapping[str, Any]) -> dict[str, Any]:
    """The environ of WSGI (PEP 3333) for an ASGI scope, without what is about the body. Strings are decoded as Latin-1."""
    (address, _), (server, port) = scope["client"] or ("", 0), scope["server"]
    path: str = scope["path"]
    meta: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": path if path.isascii() else path.encode().decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "REMOTE_ADDR": address,
        "SERVER_NAME": server,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.url_scheme": scope["scheme"],
    }
    for name, value in scope["headers"]:
        key = key_of(name) if len(name) <= MAX_NAME_BYTES else key_of.__wrapped__(name)
        if key in meta:
            meta[key] += ("; " if key == "HTTP_COOKIE" else ",") + value.decode("latin-1")
        elif key is not None:
            meta[key] = value.decode("latin-1")
    return meta


@lru_cache(MAX_NAMES)
def key_of(name: bytes) -> str | None:
    """What WSGI calls a header. None for one with an underscore, which it would mistake for the same with a hyphen."""
    if b"_" in name:
        return None
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
