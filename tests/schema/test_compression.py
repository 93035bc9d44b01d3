"""Which answers are compressed, and that none is whose length would tell a secret."""

import gzip
import json
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from graphql import GraphQLObjectType, GraphQLUnionType, get_named_type

from backend.people.models import Account
from schema.execution.cost import WEIGHTS
from schema.execution.graphql_schema import GRAPHQL
from schema.server.accept import accepts_gzip
from schema.server.compression import COMPRESSED_BYTES, compressing
from tests.api import PASSWORD, ApiClient
from tests.api.http import Client
from tests.schema.raw_http import JSON
from tests.schema.test_http_sessions import Browser

pytestmark = pytest.mark.django_db(transaction=True)

BIOS = " ".join(f"b{number}: bio" for number in range(6))
LONG = f"{{ viewer {{ {BIOS} }} }}"
SIGN_IN = (
    f'mutation {{ signIn(handle: "asha", password: "{PASSWORD}") {{ '
    f"... on SignSuccess {{ token person {{ {BIOS} }} }} }} }}"
)


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("", False),
        ("identity", False),
        ("br, deflate", False),
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("gzip, deflate, br, zstd", True),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip;q=0.0", False),
        ("gzip ; q=0.000", False),
        ("*, gzip;q=0", False),
        ("*;q=0", False),
        ("*;q=0, gzip", True),
        ("gzip;q=0.001", True),
        ("gzip;q=0.5, identity;q=0.9", False),
        ("gzip;q=0.5, identity;q=0.5", True),
        ("identity, *;q=0.5", False),
        ("gzip;q=nonsense", True),
        (";;;,,,", False),
        ("notgzip", False),
    ],
)
def test_qualities_decide(header: str, wanted: bool) -> None:
    """As RFC 9110 says, section 12.5.3."""
    assert accepts_gzip(header) is wanted


@pytest.fixture
def writer(asha: ApiClient) -> ApiClient:
    """Somebody with a long bio."""
    bio = "long" * 475
    assert asha.update_profile({"bio": bio}, "1")["applied"] == "WRITTEN"
    return asha


def sent(query: str, accept: str = "gzip", **headers: str) -> HttpResponse:
    body = json.dumps({"query": query})
    return Client().post("/graphql", body, content_type=JSON, headers={"accept-encoding": accept, **headers})


def bearer(who: ApiClient) -> dict[str, str]:
    return {"authorization": f"Bearer {who.token}"}


def data(response: HttpResponse) -> Any:
    content = gzip.decompress(response.content) if "Content-Encoding" in response else response.content
    return json.loads(content)["data"]


def test_a_long_answer_is_compressed_for_who_likes_it(writer: ApiClient) -> None:
    """It is the same answer, and caches are told that there are two of it."""
    packed, plain = sent(LONG, **bearer(writer)), sent(LONG, "gzip;q=0", **bearer(writer))
    assert (packed["Content-Encoding"], packed["Vary"], plain["Vary"]) == (
        "gzip",
        "Accept-Encoding",
        "Accept-Encoding",
    )
    assert "Content-Encoding" not in plain
    assert data(packed) == data(plain)
    assert len(packed.content) < len(plain.content) / 5
    short = sent("{ viewer { bio } }", **bearer(writer))
    assert "Content-Encoding" not in short
    assert "Vary" not in short


def test_what_holds_a_token_is_never_compressed(writer: ApiClient) -> None:
    """Beside it stands text that others can choose: a name, an alias."""
    answer = sent(SIGN_IN)
    assert len(answer.content) > COMPRESSED_BYTES
    assert len(data(answer)["signIn"]["token"]) > 20
    assert "Content-Encoding" not in answer
    assert "Vary" not in answer


def test_every_mutation_that_can_answer_a_token_is_known_to_hash() -> None:
    """By that it is told that its answer holds one."""
    mutations = GRAPHQL.mutation_type
    assert mutations is not None
    tellers = set()
    for name, field in mutations.fields.items():
        answer = get_named_type(field.type)
        members = answer.types if isinstance(answer, GraphQLUnionType) else (answer,)
        if any(isinstance(one, GraphQLObjectType) and "token" in one.fields for one in members):
            tellers.add(f"Mutation.{name}")
    assert tellers == {"Mutation.signIn", "Mutation.signUp"}
    assert tellers <= WEIGHTS.keys()
    strings = {
        f"{name}.{field}"
        for name, one in GRAPHQL.type_map.items()
        if isinstance(one, GraphQLObjectType)
        for field, its in one.fields.items()
        if "token" in field.lower() and get_named_type(its.type).name == "String"
    }
    assert strings == {"SignSuccess.token"}


def test_what_a_cookie_signs_in_is_compressed_only_for_our_own_page(writer: ApiClient) -> None:
    """A link of another site opens what it likes with the cookie, and then the aliases are chosen there."""
    browser = Browser().load()
    browser.sign_in("asha")
    browser.client.defaults["HTTP_ACCEPT_ENCODING"] = "gzip"
    linked = browser.client.get("/graphql", {"query": LONG})
    assert data(linked)["viewer"]["b0"].startswith("long")
    assert len(linked.content) > COMPRESSED_BYTES
    assert "Content-Encoding" not in linked
    ours = browser.send(LONG)
    assert (ours["Content-Encoding"], data(ours)) == ("gzip", data(linked))


PUBLIC = ["/schema.graphql", "/metrics", "/graphql"]


@pytest.mark.parametrize("path", PUBLIC)
def test_a_page_that_is_the_same_for_everybody_is_compressed(nobody: ApiClient, path: str) -> None:
    browser = Client(HTTP_ACCEPT="text/html")
    packed = browser.get(path, headers={"accept-encoding": "br, gzip"})
    plain = browser.get(path, headers={"accept-encoding": "gzip;q=0, identity"})
    assert packed["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain
    assert "Accept-Encoding" in packed["Vary"]
    assert "Accept-Encoding" in plain["Vary"]
    assert len(packed.content) < len(plain.content) / 2
    if path != "/metrics":
        assert gzip.decompress(packed.content) == plain.content


def test_no_page_of_a_session_and_none_with_a_form_is_compressed(asha: ApiClient) -> None:
    """They hold a CSRF token, or what is meant for whoever is signed in."""
    Account.objects.filter(login="asha").update(is_staff=True)
    browser = Client(HTTP_ACCEPT_ENCODING="gzip")
    assert "Content-Encoding" not in browser.get("/admin/login/")
    browser.post("/admin/login/?next=/admin/", {"username": "asha", "password": PASSWORD})
    for path in ("/admin/", "/admin/people/person/", "/admin/password_change/"):
        page = browser.get(path)
        assert page.status_code == 200
        assert "Content-Encoding" not in page, path
    assert len(browser.get("/admin/").content) > COMPRESSED_BYTES


@pytest.mark.parametrize("secret", ["a session", "a form"])
def test_it_is_the_secret_that_keeps_a_page_as_it_is(secret: str) -> None:
    """One of the two is enough, and without either the same page is compressed."""

    class Session:
        accessed = secret == "a session"

    def page(request: HttpRequest) -> HttpResponse:
        request.session = Session()  # type: ignore[assignment]
        form = '<input type="hidden" name="csrfmiddlewaretoken" value="x">' if secret == "a form" else ""
        return HttpResponse(form + "words " * 5_000)

    def public(_request: HttpRequest) -> HttpResponse:
        return HttpResponse("words " * 5_000)

    asked = RequestFactory(HTTP_ACCEPT_ENCODING="gzip").get
    assert "Content-Encoding" not in compressing(page)(asked("/"))
    assert compressing(public)(asked("/"))["Content-Encoding"] == "gzip"
