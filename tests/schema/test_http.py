"""GraphQL over HTTP as its specification has it: the rules of the public audit, methods, media types, operations."""

import json
from typing import Any

import pytest

from schema.server.accept import preferred
from schema.server.pages import PageHandler, page
from schema.server.requests import key_of, meta_of
from tests.api.http import Client
from tests.schema.raw_http import GRAPHQL_RESPONSE, JSON, code, get, media, post

TYPENAME = {"query": "{ __typename }"}
NAMED = {"query": "query Q($name: String!) { __type(name: $name) { name } }", "variables": {"name": "Story"}}


# --- Media types ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "answer"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        ("APPLICATION/JSON", JSON),
        (GRAPHQL_RESPONSE, GRAPHQL_RESPONSE),
        (f"{JSON}; charset=UTF-8", JSON),
        (f'{JSON}; charset="utf-8"', JSON),
        (f"{JSON};odata=verbose", JSON),
        (f"{GRAPHQL_RESPONSE}, {JSON}", GRAPHQL_RESPONSE),
        (f"{JSON}, {GRAPHQL_RESPONSE}", JSON),
        (f"{JSON};q=0.1, {GRAPHQL_RESPONSE}", GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE};q=0.1, {JSON};q=0.9", JSON),
        (f"{GRAPHQL_RESPONSE}, {JSON};q=0.9", GRAPHQL_RESPONSE),
        (f"{JSON};q=0, */*", GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE};q=0, */*", JSON),
        (f"*/*, {GRAPHQL_RESPONSE}", GRAPHQL_RESPONSE),
        ("multipart/mixed, application/json", JSON),
        ("text/html,application/xhtml+xml,*/*;q=0.8", JSON),
        (f"{JSON};q=very", JSON),
        (f"{JSON};q=7", JSON),
        (f"{JSON};q=nan", JSON),
        (f"{JSON}; charset*=foo''x", JSON),
        (";;;,,,", JSON),
    ],
)
def test_the_answer_has_the_type_that_the_client_likes_best(accept: str | None, answer: str) -> None:
    """Ranges, qualities and parameters are weighed as RFC 9110 says; nonsense counts as no wish."""
    response = post(TYPENAME, accept)
    assert (response.status_code, response["Content-Type"]) == (200, f"{answer}; charset=utf-8")
    assert response.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    "accept",
    ["text/html", "text/plain", "image/*", f"{JSON};q=0", "*/*;q=0", f"{JSON}; charset=latin1", "nonsense"],
)
def test_a_client_that_accepts_neither_type_is_told(accept: str) -> None:
    """406, in JSON, because something has to be said."""
    response = post(TYPENAME, accept)
    assert (response.status_code, media(response), code(response)) == (406, JSON, "NOT_ACCEPTABLE")


def test_of_what_a_client_likes_only_the_beginning_is_read() -> None:
    """The event loop would read 100 KB of it for seconds, and remember them."""
    much = "a," * 10_000
    assert post({"query": "{ __typename }"}, accept=f"{JSON},{much}").status_code == 200
    assert post({"query": "{ __typename }"}, accept=f"{much}{JSON}").status_code == 406
    assert post({"query": "{ __typename }"}, content_type=f"{JSON}; a={much}").status_code == 415


def test_no_long_name_of_a_header_is_remembered() -> None:
    """500 of them would take 60 MB."""
    scope = {"client": None, "server": ("a", 80), "path": "/", "method": "GET", "query_string": b"", "scheme": "http"}
    known = key_of.cache_info().currsize
    meta = meta_of({**scope, "http_version": "1.1", "headers": [(b"x-" + b"a" * 1_000, b"1")]})
    assert meta["HTTP_X_" + "A" * 1_000] == "1"
    assert key_of.cache_info().currsize == known


def test_a_page_is_offered_only_where_one_is_opened() -> None:
    """The choice among three offers follows the client's order of liking."""
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    assert preferred(browser, (JSON, GRAPHQL_RESPONSE, "text/html")) == "text/html"
    assert preferred(browser, (JSON, GRAPHQL_RESPONSE)) == JSON
    assert preferred("text/html;q=0.1, */*", (JSON, GRAPHQL_RESPONSE, "text/html")) == JSON


@pytest.mark.parametrize("content_type", [JSON, f"{JSON}; charset=utf-8", "Application/JSON; Charset=UTF-8"])
def test_a_request_is_json_in_utf_8(content_type: str) -> None:
    """With or without a charset that says so, characters beyond ASCII arrive."""
    body = '{"query": "{ __type(name: \\"Run🏃Swim🏊\\") { name } }"}'.encode()
    assert post(body, content_type=content_type).json() == {"data": {"__type": None}}


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/graphql",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        f"{JSON}; charset=latin1",
        f"{JSON}; charset=utf-16",
        GRAPHQL_RESPONSE,
    ],
)
@pytest.mark.parametrize("cookie", ["", "sessionid=aaaaaaaaaaaaaaaa"])
def test_any_other_type_of_request_is_refused(content_type: str, cookie: str) -> None:
    """415, also where a cookie would have been checked first: a form of another site is never even parsed."""
    response = post(TYPENAME, content_type=content_type, cookie=cookie)
    assert (response.status_code, code(response)) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.django_db  # nothing is asked of it, but Django looks after its connections at the end of a request
@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/", 405)])
def test_a_content_type_that_cannot_be_parsed_counts_as_none(path: str, status: int) -> None:
    """Django parses it before any view could answer, so the handler of its pages has to see to it."""
    content_type = f"{JSON}; charset*=foo''x"
    assert post(TYPENAME, content_type=content_type).status_code == 415
    meta = {**Client()._base_environ(), "REQUEST_METHOD": "POST", "PATH_INFO": path, "CONTENT_TYPE": content_type}
    found, _, body = page(PageHandler(), meta, b"{}")
    assert found == status
    assert json.loads(body)["errors"]


def test_answers_are_never_kept_nor_guessed_at() -> None:
    """They belong to one viewer and one moment."""
    response = post(TYPENAME)
    assert (response["Cache-Control"], response["X-Content-Type-Options"]) == ("no-store", "nosniff")


# --- Members of a request ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_RESPONSE])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"variables": None, "operationName": None, "extensions": None},
        {"variables": {}, "operationName": "", "extensions": {"some": "value"}},
        {"unknown": 1, "id": "a"},
    ],
)
def test_members_may_be_null_empty_or_unknown(accept: str, more: dict[str, Any]) -> None:
    """What is not asked for does not disturb."""
    response = post({**TYPENAME, **more}, accept)
    assert (response.status_code, response.json()) == (200, {"data": {"__typename": "Query"}})


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_RESPONSE])
def test_variables_and_operation_name_are_used(accept: str) -> None:
    """By POST in the body and by GET in the query string."""
    found = {"data": {"__type": {"name": "Story"}}}
    assert post({**NAMED, "operationName": "Q"}, accept).json() == found
    variables = json.dumps(NAMED["variables"])
    assert get(accept, query=str(NAMED["query"]), variables=variables, operationName="Q").json() == found


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("query", value) for value in ({"obj": "ect"}, 0, False, ["array"])),
        *(("operationName", value) for value in ({"obj": "ect"}, 0, False, ["array"])),
        *(("variables", value) for value in ("text", 0, False, ["array"])),
        *(("extensions", value) for value in ("text", 0, False, ["array"])),
    ],
    ids=str,
)
def test_a_member_of_the_wrong_type_is_refused(member: str, value: Any) -> None:
    """400 before anything is executed, whatever type of answer is accepted."""
    for accept in (JSON, GRAPHQL_RESPONSE):
        response = post({**TYPENAME, member: value}, accept)
        assert (response.status_code, media(response), code(response)) == (400, accept, "BAD_REQUEST")


@pytest.mark.parametrize("body", [{}, {"qeury": "{ __typename }"}, {"query": None}, {"query": " \n"}])
def test_a_request_without_a_document_is_refused(body: dict[str, Any]) -> None:
    """400: there is nothing to execute."""
    assert (post(body).status_code, code(post(body))) == (400, "BAD_REQUEST")


def test_a_get_with_broken_members_is_refused() -> None:
    """Variables and extensions are JSON objects there as well, and there are not a thousand members."""
    assert get(query="{ __typename }", variables="").status_code == 200
    for member in ({"variables": "x"}, {"variables": "[]"}, {"extensions": "3"}, {"variables": "[" * 20_000}):
        response = get(query="{ __typename }", **member)
        assert (response.status_code, code(response)) == (400, "BAD_REQUEST")
    response = get(query="{ __typename }", **{f"a{n}": "1" for n in range(1_200)})
    assert (response.status_code, code(response)) == (400, "BAD_REQUEST")


# --- Request errors ---------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ nothingOfThisName }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "subscription { x }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "query ($id: ID!) { node(id: $id) { id } }", "variables": {"id": None}}, "BAD_USER_INPUT"),
        ({**TYPENAME, "operationName": "Other"}, "OPERATION_RESOLUTION_FAILURE"),
    ],
)
def test_a_request_error_has_codes_and_no_data(request_: dict[str, Any], expected: str) -> None:
    """200 in plain JSON, where a proxy may have answered an error status; 400 in GraphQL's own type."""
    for accept, status in ((JSON, 200), (GRAPHQL_RESPONSE, 400)):
        response = post(request_, accept)
        assert (response.status_code, media(response), code(response)) == (status, accept, expected)


def test_nothing_is_guessed_for_a_client_that_mistypes() -> None:
    """Suggestions would spell out the schema, one guess after the other."""
    answers = [post({"query": query}).content for query in ("{ viewr { id } }", "{ stories(frst: 1) { edges } }")]
    assert not any(b"Did you mean" in answer for answer in answers)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "query",
    ["mutation A { signOut } query B { __typename }", "query B { __typename } mutation A { signOut }"],
)
def test_of_several_operations_one_must_be_named(query: str) -> None:
    """None is run by default, a mutation that comes first least of all; the named one is."""
    assert code(post({"query": query})) == "OPERATION_RESOLUTION_FAILURE"
    assert code(post({"query": query, "operationName": "C"})) == "OPERATION_RESOLUTION_FAILURE"
    assert post({"query": query, "operationName": "B"}).json() == {"data": {"__typename": "Query"}}
    assert post({"query": query, "operationName": "A"}).json() == {"data": {"signOut": False}}


# --- Methods ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_RESPONSE, "*/*"])
def test_a_get_never_mutates(accept: str) -> None:
    """405 and which method does; a query beside the mutation can be asked for."""
    both = "query A { __typename } mutation B { signOut }"
    for members in ({"query": "mutation { signOut }"}, {"query": both, "operationName": "B"}):
        response = get(accept, **members)
        assert (response.status_code, response["Allow"], code(response)) == (405, "POST", "METHOD_NOT_ALLOWED")
    assert get(accept, query=both, operationName="A").json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_other_methods_are_refused(method: str) -> None:
    """405, with those that are served."""
    response = Client().generic(method, "/graphql", json.dumps(TYPENAME), content_type=JSON)
    assert (response.status_code, code(response)) == (405, "METHOD_NOT_ALLOWED")
    assert response["Allow"] == "GET, HEAD, POST, OPTIONS"


def test_head_is_a_get_without_a_body() -> None:
    """The same status and headers; a mutation is as impossible."""
    assert Client().head("/graphql", {"query": "{ __typename }"}).status_code == 200
    assert Client().head("/graphql", {"query": "mutation { signOut }"}).status_code == 405
    assert Client().head("/graphql", {"query": "{ __typename }"}).content == b""


def test_options_says_what_is_served() -> None:
    """And promises nothing to other sites."""
    response = Client().options("/graphql")
    assert (response.status_code, response["Allow"]) == (204, "GET, HEAD, POST, OPTIONS")
    assert "Access-Control-Allow-Origin" not in response
