"""The WSGI application that granian serves."""

import os
from typing import Any

import django
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import HttpResponse
from django.utils.module_loading import import_string

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
django.setup(set_prefix=False)
import_string("backend.production.require")()  # it needs the models, which are only there now


class Request(WSGIRequest):
    """A request whose Content-Type may be nonsense: where Django would fail before any view, it counts as missing."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc]
        except ValueError:
            self.content_type, self.content_params = "", {}


class Handler(WSGIHandler):
    """Django's handler, for such requests; it hands over an answer that is whole in one piece.

    The server sends a list as it is, with its length. It would walk through any other iterable, a chunk at a time.
    """

    request_class = Request

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer a request."""
        response = super().__call__(environ, start_response)
        if not isinstance(response, HttpResponse):  # a file
            return response
        body = [response.content]
        response.close()
        return body


application = Handler()
