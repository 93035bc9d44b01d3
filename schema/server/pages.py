"""Django's pages, called as WSGI: admin, GraphiQL, health, metrics, static files."""

import sys
from io import BytesIO
from typing import Any

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest


class PageRequest(WSGIRequest):
    """A request that treats an invalid Content-Type as missing, where Django would fail before any view."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc]
        except ValueError:
            self.content_type, self.content_params = "", {}


class PageHandler(WSGIHandler):
    """Django's handler with this request class."""

    request_class = PageRequest


def page(handler: PageHandler, meta: dict[str, Any], body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    """The page that a request asks for: status, headers, body."""
    environ = {
        **meta,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    said: list[Any] = []

    def start(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Any:
        said.extend((status, headers))

    parts: Any = handler(environ, start)
    try:
        content = b"".join(parts)
    finally:
        if hasattr(parts, "close"):
            parts.close()
    status, headers = said
    return int(status[:3]), headers, content
