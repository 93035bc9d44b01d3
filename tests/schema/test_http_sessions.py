"""Who is asking: bearer tokens, and cookies only for a browser that proves that our own page sent the request."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import login
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.http import HttpResponse

from backend.engine import metrics
from backend.people.models import AccessToken, Account
from resolvers import access
from tests.api import PASSWORD, ApiClient
from tests.api.http import Client
from tests.races.rivals import elsewhere
from tests.schema.raw_http import JSON, code

SIGN_IN = (
    "mutation ($h: String!, $p: String!) { signIn(handle: $h, password: $p) { __typename "
    "... on SignSuccess { token person { handle shelf { storyCount } } } ... on Failure { code message } } }"
)
SIGN_UP = (
    "mutation ($h: String!, $p: String!) { signUp(handle: $h, name: $h, password: $p) { __typename "
    "... on SignSuccess { token person { handle } } } }"
)
WHO = "{ viewer { handle } }"
MANY = "mutation { signOut }"


class Browser:
    """A browser: it keeps cookies, and sends the CSRF token once it has loaded the page."""

    def __init__(self) -> None:
        self.client = Client(enforce_csrf_checks=True)

    def load(self) -> "Browser":
        """Open the explorer, which hands out the CSRF cookie."""
        assert self.client.get("/graphql", headers={"accept": "text/html"}).status_code == 200
        return self

    @property
    def csrf(self) -> str | None:
        """The CSRF cookie."""
        return self._cookie("csrftoken")

    @property
    def session(self) -> str | None:
        """The session cookie."""
        return self._cookie("sessionid")

    def _cookie(self, name: str) -> str | None:
        morsel = self.client.cookies.get(name)
        return morsel.value or None if morsel else None

    def send(self, query: str, *, proof: bool = True, token: str | None = None, **variables: Any) -> HttpResponse:
        """POST, with the CSRF token if there is one to prove it by."""
        headers = {"x-csrftoken": self.csrf} if proof and self.csrf else {}
        if token:
            headers["authorization"] = f"Bearer {token}"
        body = json.dumps({"query": query, "variables": variables})
        return self.client.post("/graphql", body, content_type=JSON, headers=headers)

    def ask(self, query: str, **given: Any) -> Any:
        """The data of the answer."""
        answer = self.send(query, **given).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def sign_in(self, handle: str) -> Any:
        """Sign in, as the page does."""
        return self.ask(SIGN_IN, h=handle, p=PASSWORD)["signIn"]


@pytest.fixture
def browser(asha: ApiClient) -> Browser:
    """A browser that has loaded the page and signed in there."""
    browser = Browser().load()
    assert browser.sign_in("asha")["__typename"] == "SignSuccess"
    return browser


def test_a_browser_that_loaded_the_page_is_signed_in_by_cookie(browser: Browser) -> None:
    """The next request needs no token; the cookie cannot be read by scripts and stays on this site."""
    assert browser.ask(WHO) == {"viewer": {"handle": "asha"}}
    morsel = browser.client.cookies["sessionid"]
    assert (morsel["httponly"], morsel["samesite"]) == (True, "Lax")


def test_an_app_gets_a_token_and_no_cookie(asha: ApiClient) -> None:
    """Nothing that proves a page, nothing that a browser would send by itself."""
    app = Browser()
    answer = app.sign_in("asha")
    assert answer["person"] == {"handle": "asha", "shelf": {"storyCount": 0}}
    assert app.client.cookies == {}
    assert app.ask(WHO, token=answer["token"]) == {"viewer": {"handle": "asha"}}
    assert app.ask(WHO) == {"viewer": None}


@pytest.mark.parametrize("query", [WHO, MANY, "{ __typename }"])
def test_a_cookie_alone_does_not_post(browser: Browser, query: str) -> None:
    """What another site makes the browser send is refused as a whole, and changes nothing."""
    response = browser.send(query, proof=False)
    assert (response.status_code, code(response)) == (403, "FORBIDDEN")
    assert browser.ask(WHO) == {"viewer": {"handle": "asha"}}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("cookie", "status", "times"), [("theme=dark", 200, 0), (f"sessionid={'a' * 32}", 403, 1)])
def test_only_who_is_turned_away_is_counted_as_that(cookie: str, status: int, times: int) -> None:
    """Once. A cookie of something else needs no proof: its request is answered."""
    counter = metrics.REJECTED.labels("FORBIDDEN")
    before = counter._value.get()
    client = Client(enforce_csrf_checks=True)
    response = client.post("/graphql", json.dumps({"query": WHO}), content_type=JSON, headers={"cookie": cookie})
    assert (response.status_code, counter._value.get() - before) == (status, times)


def test_a_token_of_somewhere_else_proves_nothing(browser: Browser) -> None:
    """The header must go with the cookie."""
    body = json.dumps({"query": WHO})
    response = browser.client.post("/graphql", body, content_type=JSON, headers={"x-csrftoken": "x" * 32})
    assert (response.status_code, code(response)) == (403, "FORBIDDEN")


def test_a_cookie_reads_by_get(browser: Browser) -> None:
    """A read changes nothing, and another site cannot see its answer."""
    response = browser.client.get("/graphql", {"query": WHO})
    assert response.json() == {"data": {"viewer": {"handle": "asha"}}}


def test_a_bearer_token_makes_cookies_count_for_nothing(browser: Browser, bilal: ApiClient) -> None:
    """No proof is needed, since no browser sends a token by itself; a bad one signs nobody in."""
    assert browser.ask(WHO, proof=False, token=bilal.token) == {"viewer": {"handle": "bilal"}}
    assert browser.ask(WHO, proof=False, token="nonsense") == {"viewer": None}
    answer = browser.ask(SIGN_IN, proof=False, token="nonsense", h="bilal", p=PASSWORD)["signIn"]
    assert answer["__typename"] == "SignSuccess"
    assert browser.ask(WHO) == {"viewer": {"handle": "asha"}}


def test_signing_in_changes_both_cookies(asha: ApiClient, bilal: ApiClient) -> None:
    """A session or a CSRF token that somebody planted before is worth nothing afterwards."""
    browser = Browser().load()
    planted = browser.csrf
    browser.sign_in("asha")
    first = browser.csrf, browser.session
    assert planted not in first
    browser.sign_in("bilal")
    assert browser.session not in (None, first[1])
    assert browser.csrf not in (None, first[0])
    assert not Session.objects.filter(session_key=first[1]).exists()
    assert browser.ask(WHO) == {"viewer": {"handle": "bilal"}}


def test_a_failed_sign_in_sets_no_cookie(asha: ApiClient) -> None:
    """Nor does it sign anybody out."""
    browser = Browser().load()
    assert browser.ask(SIGN_IN, h="asha", p="wrong")["signIn"]["code"] == "UNAUTHENTICATED"
    assert browser.session is None
    browser.sign_in("asha")
    assert browser.ask(SIGN_IN, h="asha", p="wrong")["signIn"]["code"] == "UNAUTHENTICATED"
    assert browser.ask(WHO) == {"viewer": {"handle": "asha"}}


def test_signing_up_signs_a_browser_in(nobody: ApiClient) -> None:
    """As signing in does."""
    browser = Browser().load()
    assert browser.ask(SIGN_UP, h="dora", p=PASSWORD)["signUp"]["person"] == {"handle": "dora"}
    assert browser.ask(WHO) == {"viewer": {"handle": "dora"}}


def test_a_session_that_cannot_be_written_does_not_hide_a_commit(
    nobody: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person is there by then, so nobody may hear that nothing was written."""

    def fail(*_args: Any, **_options: Any) -> None:
        raise OperationalError

    browser = Browser().load()
    monkeypatch.setattr(access, "login", fail)
    sign_up = SIGN_UP.removesuffix("} }") + "... on Failure { code } } }"
    answer = browser.ask(sign_up, h="dora", p=PASSWORD)["signUp"]
    assert answer == {"__typename": "BusyError", "code": "OUTCOME_UNKNOWN"}
    assert Account.objects.filter(login="dora").exists()


def test_signing_out_ends_the_session(browser: Browser) -> None:
    """The old cookie is worth nothing, also for whoever copied it."""
    copied = browser.session
    assert browser.ask(MANY) == {"signOut": True}
    assert browser.session is None
    browser.client.cookies["sessionid"] = copied or ""
    assert browser.ask(WHO) == {"viewer": None}
    assert browser.ask(MANY) == {"signOut": False}


def test_signing_out_by_token_ends_the_token_and_the_browser_session(browser: Browser) -> None:
    """One sign-out ends both ways in which this request could be signed in."""
    token = browser.sign_in("asha")["token"]
    assert browser.ask(MANY, token=token) == {"signOut": True}
    assert browser.ask(WHO, token=token) == {"viewer": None}
    assert browser.ask(WHO) == {"viewer": None}


def test_signing_out_leaves_other_tokens_alone(asha: ApiClient) -> None:
    """Somebody is signed in on several devices."""
    app = Browser()
    token = app.sign_in("asha")["token"]
    assert app.ask(MANY, token=token) == {"signOut": True}
    assert asha.ask(WHO) == {"viewer": {"handle": "asha"}}


def test_a_token_is_stored_as_a_digest_and_expires(asha: ApiClient) -> None:
    """Who reads the database cannot use what it holds."""
    stored = AccessToken.objects.get()
    assert (asha.token or "").encode() not in bytes(stored.digest)
    AccessToken.objects.update(expires_at="2020-01-01T00:00Z")
    assert asha.ask(WHO) == {"viewer": None}


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "bearer {}", "BEARER  {} ", "Basic {}", "{}", "Bearer {}x"]
)
def test_only_a_bearer_token_that_is_known_signs_in(asha: ApiClient, header: str) -> None:
    """The scheme in any case; another scheme is as good as no header, and an unknown token is told."""
    response = Client().post(
        "/graphql",
        json.dumps({"query": WHO}),
        content_type=JSON,
        headers={"authorization": header.format(asha.token)},
    )
    is_bearer = header.lower().startswith("bearer")
    known = is_bearer and header.endswith(("{}", "{} "))
    answer = response.json()
    assert answer["data"] == {"viewer": {"handle": "asha"} if known else None}
    assert ("extensions" in answer) == (is_bearer and not known)


@pytest.mark.parametrize("value", ['"\\000aaaaaaaaaaaa"', '"\\377aaaaaaaaaaaa"', "ü" * 20, "x" * 4_000, "'; --aaaaaaa"])
def test_a_session_cookie_of_nonsense_is_no_session(nobody: ApiClient, value: str) -> None:
    """Also one with characters that cannot be stored."""
    response = Client(HTTP_COOKIE=f"sessionid={value}").get("/graphql", {"query": WHO})
    assert response.json() == {"data": {"viewer": None}}


def test_deactivated_people_are_signed_out(
    browser: Browser, asha: ApiClient, person: Callable[[str], ApiClient]
) -> None:
    """Whatever they hold: cookie, token or password."""
    type(asha.person.account).objects.filter(pk=asha.person.pk).update(is_active=False)
    assert browser.ask(WHO) == {"viewer": None}
    assert asha.ask(WHO) == {"viewer": None}
    assert Browser().sign_in("asha")["code"] == "UNAUTHENTICATED"


def test_a_session_that_ends_with_a_new_password_is_no_fault(browser: Browser) -> None:
    """Django ends such a session by a write, which a query's snapshot would refuse; the query is then signed out."""
    Account.objects.filter(login="asha").update(password=make_password("another good password"))
    assert browser.send(WHO).json() == {"data": {"viewer": None}}
    assert browser.send(WHO).json() == {"data": {"viewer": None}}


LEAVE = (
    "mutation ($p: String!) { deleteAccount(password: $p) { __typename } "
    'createWhisper(text: "Late.") { ... on Failure { code } } }'
)


def test_no_session_outlives_the_account(browser: Browser, asha: ApiClient) -> None:
    """Neither the one that deletes it, from the very next field on, nor that of another browser."""
    other = Browser().load()
    assert other.sign_in("asha")["__typename"] == "SignSuccess"
    assert browser.ask(LEAVE, p=PASSWORD) == {
        "deleteAccount": {"__typename": "AccountDeleted"},
        "createWhisper": {"code": "UNAUTHENTICATED"},
    }
    assert browser.session is None
    for one in (browser, other):
        assert one.load().ask(WHO) == {"viewer": None}
        assert one.ask(LEAVE, p=PASSWORD)["createWhisper"] == {"code": "UNAUTHENTICATED"}


def test_a_session_that_begins_as_they_leave(asha: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its token was revoked with the others, and the cookie that comes after signs nobody in."""

    def late(*given: Any, **options: Any) -> None:
        elsewhere(lambda: asha.delete_account(PASSWORD))
        login(*given, **options)

    monkeypatch.setattr(access, "login", late)
    browser = Browser().load()
    answer = browser.sign_in("asha")
    assert browser.session is not None
    assert browser.ask(WHO) == browser.ask(WHO, token=answer["token"]) == {"viewer": None}


def test_a_session_that_ends_beside_a_dead_token_has_ended(browser: Browser) -> None:
    """The token signs nobody in, but the session did: its end is a write, and is told as one."""
    end = "mutation { endSession { ... on SessionEnded { applied } } }"
    browser.sign_in("asha")
    assert browser.ask(end, token="made-up") == {"endSession": {"applied": "WRITTEN"}}
    assert not Session.objects.exists()
    assert browser.ask(end, token="made-up") == {"endSession": {"applied": "NOOP"}}
