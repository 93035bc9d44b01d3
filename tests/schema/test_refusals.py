"""What is not GraphQL is refused in JSON with a code too: paths that there are not, methods, forms, faults."""

import json
from typing import Any

import pytest

from backend import logs
from backend.people.models import Account
from schema.server import health
from tests.api import PASSWORD, ApiClient
from tests.api.http import Client
from tests.schema.raw_http import code

pytestmark = pytest.mark.django_db(transaction=True)

READ = ["/", "/schema.graphql", "/healthz", "/readyz", "/metrics"]
NOTHING = [
    "/nothing",
    "/graphql/more",
    "/healthz/",
    "/static/nothing.js",
    "/.env",
    "/index.php",
    "/%00",
    "/%ff",
]


@pytest.mark.parametrize("path", READ)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT"])
def test_what_is_only_read_says_so(path: str, method: str) -> None:
    """405 with the methods that there are, whether or not a form's proof comes with it."""
    response = Client(enforce_csrf_checks=True).generic(method, path, b"{}", content_type="application/json")
    assert (response.status_code, code(response)) == (405, "METHOD_NOT_ALLOWED")
    assert response["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("path", READ)
def test_what_can_be_done_can_be_asked(path: str) -> None:
    response = Client().options(path)
    assert (response.status_code, response["Allow"], response.content) == (204, "GET, HEAD, OPTIONS", b"")


@pytest.mark.parametrize("path", NOTHING)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "TRACE"])
def test_where_nothing_is_there_is_a_code(path: str, method: str) -> None:
    """Nothing of what was asked for is in the answer."""
    response = Client(enforce_csrf_checks=True).generic(method, path)
    assert (response.status_code, code(response)) == (404, "NOT_FOUND")
    assert response["Cache-Control"] == "no-store"
    assert response["Content-Type"] == "application/json"


def test_a_static_file_is_only_read() -> None:
    response = Client().post("/static/explorer/home.css")
    assert (response.status_code, code(response)) == (405, "METHOD_NOT_ALLOWED")
    assert response["Allow"] == "GET, HEAD"
    assert response["X-Content-Type-Options"] == "nosniff"


def test_a_form_of_another_site_is_refused() -> None:
    """The admin's sign-in without the token of our own page."""
    response = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "a", "password": "b"})
    assert (response.status_code, code(response)) == (403, "FORBIDDEN")


def test_what_staff_may_not_do_is_refused(asha: ApiClient) -> None:
    """Rows with versions can only be looked at."""
    Account.objects.filter(login="asha").update(is_staff=True)
    browser = Client()
    browser.post("/admin/login/?next=/admin/", {"username": "asha", "password": PASSWORD})
    response = browser.get(f"/admin/people/person/{asha.person.pk}/delete/")
    assert (response.status_code, code(response)) == (403, "FORBIDDEN")


def test_what_cannot_be_read_is_refused(settings: Any) -> None:
    """A host that Django does not take for one, on a page that says its own address."""
    settings.ALLOWED_HOSTS = ["*"]
    response = Client(raise_request_exception=False).get("/", headers={"host": "a@b"})
    assert (response.status_code, code(response)) == (400, "BAD_REQUEST")


def test_a_fault_shows_nothing_but_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same words, code and id as in GraphQL."""

    def broken() -> None:
        raise ValueError("select * from secrets")

    monkeypatch.setattr(health, "missing_migrations", broken)
    response = Client(raise_request_exception=False).get("/readyz", headers={"x-request-id": "mine"})
    assert (response.status_code, code(response)) == (500, "INTERNAL_SERVER_ERROR")
    assert json.loads(response.content)["errors"][0]["extensions"]["requestId"] == "mine"
    assert b"secrets" not in response.content
    logs.begin()
