"""What browsers are told, who may ask from elsewhere, and which host this server answers to."""

import os
import re
import subprocess
import sys
from io import StringIO
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from backend.people.models import Account
from schema.management.commands.serve import Command
from schema.server.safety import PAGES, safe
from tests.api import PASSWORD, ApiClient
from tests.api.http import Client
from tests.serving import ROOT

pytestmark = pytest.mark.django_db(transaction=True)

JSON = "application/json"
QUERY = {"query": "{ __typename }"}
PATHS = [
    "/",
    "/graphql",
    "/graphql?query={__typename}",
    "/schema.graphql",
    "/healthz",
    "/readyz",
    "/metrics",
    "/admin/login/",
]
PATHS += ["/static/explorer/home.css", "/nothing-here"]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_says_what_browsers_may_do_with_it(nobody: ApiClient, path: str) -> None:
    response = Client(HTTP_ACCEPT="text/html" if path in ("/", "/graphql") else "*/*").get(path)
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    if not path.startswith("/static/"):
        assert response["X-Frame-Options"] == "DENY"
    if response["Content-Type"].startswith("text/html"):
        policy = response["Content-Security-Policy"]
        assert policy.startswith(PAGES)
        assert "frame-ancestors 'none'" in policy
        assert "script-src 'unsafe" not in policy


def test_the_pages_of_the_admin_keep_to_the_policy(asha: ApiClient) -> None:
    """No script and no style stands in the page itself, so all of it works under the policy; and none of it is kept."""
    Account.objects.filter(login="asha").update(is_staff=True)
    browser = Client()
    browser.post("/admin/login/?next=/admin/", {"username": "asha", "password": PASSWORD})
    for page in ("/admin/", "/admin/people/person/", f"/admin/people/person/{asha.person.pk}/change/"):
        response = browser.get(page)
        assert response.status_code == 200
        assert response["Content-Security-Policy"] == PAGES
        assert "no-store" in response["Cache-Control"]
        text = response.content.decode()
        assert re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", text) is None
        assert re.search(r"\son\w+=\"", text) is None
        assert "<style" not in text


def test_answers_of_graphql_are_not_kept(nobody: ApiClient) -> None:
    for response in (
        Client().post("/graphql", QUERY, content_type=JSON),
        Client().post("/graphql", "x", content_type=JSON),
    ):
        assert response["Cache-Control"] == "no-store"


# --- Other origins ----------------------------------------------------------------------------------------------

ORIGIN = "https://app.example.org"


def preflight(origin: str = ORIGIN, path: str = "/graphql") -> Any:
    """What a browser asks before it lets another site's script send JSON."""
    headers = {"origin": origin, "access-control-request-method": "POST"}
    headers["access-control-request-headers"] = "authorization,content-type,x-request-id"
    return Client().options(path, headers=headers)


def test_no_other_origin_is_let_in_unless_it_is_named(nobody: ApiClient) -> None:
    sent = Client().post("/graphql", QUERY, content_type=JSON, headers={"origin": ORIGIN})
    for response in (preflight(), sent):
        assert not [name for name in response.headers if name.lower().startswith("access-control")]


@pytest.fixture
def opened(settings: Any) -> None:
    """A server that was started with CORS_ALLOWED_ORIGINS."""
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]


def test_an_origin_that_is_named_may_ask_with_a_token(nobody: ApiClient, opened: None) -> None:
    """And read the headers that it needs; never with the cookie."""
    response = preflight()
    assert response["Access-Control-Allow-Origin"] == ORIGIN
    allowed = {one.strip() for one in response["Access-Control-Allow-Headers"].split(",")}
    assert {"authorization", "content-type", "x-csrftoken", "x-request-id", "idempotency-key", "traceparent"} <= allowed
    assert "Access-Control-Allow-Credentials" not in response
    sent = Client().post("/graphql", QUERY, content_type=JSON, headers={"origin": ORIGIN})
    assert sent["Access-Control-Allow-Origin"] == ORIGIN
    assert {"retry-after", "traceresponse", "x-request-id"} <= set(sent["Access-Control-Expose-Headers"].split(", "))


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://app.example.org", f"{ORIGIN}.evil.example"])
def test_another_origin_stays_outside(nobody: ApiClient, opened: None, origin: str) -> None:
    assert "Access-Control-Allow-Origin" not in preflight(origin)


LOCAL = ["http://localhost", "http://localhost:5173", "http://127.0.0.1:3000", "http://127.0.0.1:65535"]
NOT_LOCAL = [
    "https://localhost:5173",
    "http://localhost.evil.example",
    "http://localhost:5173.evil.example",
    "http://localhost:x",
    "http://evil.example/http://localhost:5173",
    "http://127.0.0.1.evil.example",
    "http://127a0b0c1:80",
    "http://192.168.1.7:5173",
    "null",
]


@pytest.mark.parametrize("path", ["/graphql", "/schema.graphql"])
@pytest.mark.parametrize("origin", LOCAL)
def test_a_page_on_this_machine_may_ask_in_development(nobody: ApiClient, origin: str, path: str) -> None:
    """With a token, and never with the cookie."""
    asked = preflight(origin, path)
    assert asked["Access-Control-Allow-Origin"] == origin
    assert "authorization" in asked["Access-Control-Allow-Headers"]
    sent = Client().get(path, {"query": "{ __typename }"}, headers={"origin": origin})
    assert sent.status_code == 200
    assert sent["Access-Control-Allow-Origin"] == origin
    assert "Access-Control-Allow-Credentials" not in sent
    assert "origin" in sent["Vary"]


@pytest.mark.parametrize("origin", NOT_LOCAL)
def test_what_only_looks_like_this_machine_stays_outside(nobody: ApiClient, origin: str) -> None:
    assert "Access-Control-Allow-Origin" not in preflight(origin)


def test_an_answer_says_that_it_depends_on_who_asks(nobody: ApiClient) -> None:
    """To whoever names an origin. To others it does not, and no cache keeps what is answered to either."""
    asked = Client().post("/graphql", QUERY, content_type=JSON, headers={"Origin": "https://elsewhere.example"})
    assert (asked["Vary"], asked["Cache-Control"]) == ("origin", "no-store")
    plain = Client().post("/graphql", QUERY, content_type=JSON)
    assert ("Vary" in plain, plain["Cache-Control"]) == (False, "no-store")


@pytest.mark.parametrize(("production", "patterns"), [("", 1), ("0", 1), ("1", 0)])
def test_in_production_no_page_of_a_machine_is_let_in(production: str, patterns: int) -> None:
    environment = {**os.environ, "PRODUCTION": production}
    command = [sys.executable, "-c", "from backend import settings; print(len(settings.CORS_ALLOWED_ORIGIN_REGEXES))"]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout == f"{patterns}\n"


@pytest.mark.parametrize("local", [True, False])
def test_serve_says_who_may_call_it(settings: Any, local: bool) -> None:
    settings.CORS_ALLOWED_ORIGIN_REGEXES = settings.CORS_ALLOWED_ORIGIN_REGEXES if local else []
    said = StringIO()
    Command(stdout=said)._welcome("127.0.0.1", 8000)
    assert ("Pages on http://localhost and http://127.0.0.1, any port, may call it" in said.getvalue()) is local


@pytest.mark.parametrize("path", ["/admin/login/", "/metrics", "/"])
def test_only_the_api_is_opened(nobody: ApiClient, opened: None, path: str) -> None:
    assert "Access-Control-Allow-Origin" not in preflight(path=path)


# --- Our own host -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "katha.example.org.evil.example", "", "a b", "katha.example.org:x"])
@pytest.mark.parametrize("path", ["/", "/graphql", "/admin/login/", "/metrics"])
def test_a_request_for_another_host_is_not_answered(nobody: ApiClient, settings: Any, host: str, path: str) -> None:
    """Nor is its name written anywhere in the answer."""
    settings.ALLOWED_HOSTS = ["katha.example.org"]
    response = Client(HTTP_HOST=host).post(path, QUERY, content_type=JSON)
    assert response.status_code == 421
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "MISDIRECTED_REQUEST"
    assert not host or host not in response.content.decode()


def test_our_own_host_and_probes_by_address_are_answered(nobody: ApiClient, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["katha.example.org"]
    ours = Client(HTTP_HOST="katha.example.org:8000").post("/graphql", QUERY, content_type=JSON)
    assert ours.json() == {"data": {"__typename": "Query"}}
    for probe in ("/healthz", "/readyz"):
        assert Client(HTTP_HOST="10.0.0.7:8000").get(probe).status_code == 200


# --- HTTPS ------------------------------------------------------------------------------------------------------


def forwarded(peer: str) -> str | None:
    """What is left of X-Forwarded-Proto when a view looks."""
    seen: list[HttpRequest] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse()

    safe(view)(RequestFactory().get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_PROTO="https"))
    found: str | None = seen[0].META.get("HTTP_X_FORWARDED_PROTO")
    return found


def test_only_a_trusted_proxy_says_that_a_request_came_by_https(settings: Any) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    assert forwarded("10.0.0.1") == "https"
    assert forwarded("192.0.2.1") is None


# --- Metrics ----------------------------------------------------------------------------------------------------


def test_metrics_are_for_who_has_the_token(nobody: ApiClient, settings: Any) -> None:
    """In production for nobody else; without a token there for nobody at all."""
    assert Client().get("/metrics").status_code == 200
    settings.PRODUCTION = True
    assert Client().get("/metrics").status_code == 404
    settings.METRICS_TOKEN = "a token"
    assert Client().get("/metrics").status_code == 401
    assert Client().get("/metrics", headers={"authorization": "Bearer another"}).status_code == 401
    assert Client().get("/metrics", headers={"authorization": "Bearer a token"}).status_code == 200
