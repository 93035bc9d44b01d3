"""The WSGI application: Django's handler for the threads of `rsgi`, and for any other WSGI server."""

import os
from typing import Any

import django
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import HttpResponse
from django.utils.module_loading import import_string

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
django.setup(set_prefix=False)
import_string("backend.production.require")()  # it needs the models, which are loaded now


class Request(WSGIRequest):
    """A request that treats an invalid Content-Type as missing, where Django would fail before any view."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc]
        except ValueError:
            self.content_type, self.content_params = "", {}


class Handler(WSGIHandler):
    """Django's handler with this request class; returns a complete answer as a list of one chunk.

    granian sends a list at once, with its length; it would iterate over anything else chunk by chunk.
    """

    request_class = Request

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Handle a request."""
        response = super().__call__(environ, start_response)
        if not isinstance(response, HttpResponse):  # a streamed file
            return response
        body = [response.content]
        response.close()
        return body


application = Handler()
