"""A client of Django's tests for which /graphql is answered as the server does it, in this process."""

from typing import Any

from django.http import HttpResponse
from django.test import Client as DjangoClient
from django.test.client import ClientHandler

from schema.server import in_process
from schema.server.asgi import GRAPHQL
from schema.server.http import opens_explorer
from schema.server.policy import Policy
from schema.server.requests import Request


class Handler(ClientHandler):
    """Sends what is asked of GraphQL to GraphQL, and everything else to Django's pages."""

    def __call__(self, environ: dict[str, Any]) -> HttpResponse:
        request = Request(self._base(environ), Policy.of_settings())
        if request.path in GRAPHQL and not opens_explorer(request):
            return self._graphql(request, environ)
        response = super().__call__({**environ, "HTTP_X_REQUEST_ID": request.id})
        response["X-Request-Id"] = request.id
        return response

    def _base(self, environ: dict[str, Any]) -> dict[str, Any]:
        environ = {**environ, "HTTP_HOST": environ.get("HTTP_HOST", environ["SERVER_NAME"])}
        for name in ("CONTENT_TYPE", "HTTP_COOKIE"):  # Django sets them also where there are none
            if not environ.get(name):
                environ.pop(name, None)
        return environ

    def _graphql(self, request: Request, environ: dict[str, Any]) -> HttpResponse:
        request.arrived(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        request._dont_enforce_csrf_checks = not self.enforce_csrf_checks  # type: ignore[attr-defined]
        answer = in_process.answer(request)
        body = b"" if request.method == "HEAD" else answer.body
        response = HttpResponse(body, status=answer.status, headers=answer.headers)
        if "Content-Type" not in answer.headers:
            del response["Content-Type"]
        for cookie in answer.cookies:
            response.cookies.load(cookie)
        response["X-Request-Id"] = request.id
        response.wsgi_request = request  # type: ignore[attr-defined]
        return response


class Client(DjangoClient):
    """Django's test client, with this handler."""

    def __init__(
        self, enforce_csrf_checks: bool = False, raise_request_exception: bool = True, **defaults: Any
    ) -> None:
        super().__init__(enforce_csrf_checks, raise_request_exception, **defaults)
        self.handler = Handler(enforce_csrf_checks)
