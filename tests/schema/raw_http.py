"""Sends requests exactly as given, and reads what comes back."""

import json
from typing import Any

from django.http import HttpResponse

from tests.api.http import Client

JSON = "application/json"
GRAPHQL_RESPONSE = "application/graphql-response+json"


def post(body: Any, accept: str | None = None, content_type: str = JSON, **headers: str) -> HttpResponse:
    """POST a body: bytes as they are, anything else as JSON. A crash of the server comes back as 500."""
    if accept is not None:
        headers["accept"] = accept
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    client = Client(raise_request_exception=False)
    # The client would leave out the type of an empty body.
    return client.generic(
        "POST", "/graphql", raw, content_type=content_type, headers=headers, CONTENT_TYPE=content_type
    )


def get(accept: str | None = None, **members: str) -> HttpResponse:
    """GET with these members in the query string."""
    return Client(raise_request_exception=False).get(
        "/graphql", members, headers={} if accept is None else {"accept": accept}
    )


def media(response: HttpResponse) -> str:
    """The media type of an answer, without its parameters."""
    return response["Content-Type"].partition(";")[0]


def code(response: HttpResponse) -> str:
    """The code of the first error of an answer that holds errors and no data; each of them has one."""
    answer = json.loads(response.content)
    assert "data" not in answer, answer
    assert all(error["message"] and error["extensions"]["code"] for error in answer["errors"])
    return str(answer["errors"][0]["extensions"]["code"])
