"""Nothing that a client sends makes the server fail: broken bodies, absurd values, endless documents, plain noise."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.schema.raw_http import GRAPHQL_RESPONSE, JSON, code, post

DEEP = 20_000
MANY_DIGITS = "9" * 5_000


def test_a_byte_order_mark_is_ignored() -> None:
    """Some programs put one before the JSON, and all that they send is well."""
    response = post(b'\xef\xbb\xbf{"query": "{ __typename }"}')
    assert (response.status_code, json.loads(response.content)) == (200, {"data": {"__typename": "Query"}})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b'{"query": "\xff"}',
        b'"text"',
        b"12",
        b"true",
        b"null",
        b"[]",
        b'[{"query": "{ __typename }"}]',
        b'{"query": "{ __typename }"',
        b'\xef\xbb\xbf\xef\xbb\xbf{"query": "{ __typename }"}',
        b"\xef\xbb\xbf",
        '{"query": "{ __typename }"}'.encode("utf-16"),
        b"[" * DEEP + b"]" * DEEP,
        b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        b'{"query": "{ __typename }", "variables": {"a":' + b"[" * DEEP + b"]" * DEEP + b"}}",
        b'{"query": "{ __typename }", "variables": {"a": %s}}' % MANY_DIGITS.encode(),
        b'{"query": "{ __typename }", "variables": {"a": NaN}}',
        b'{"query": "{ __typename }", "variables": {"a": -Infinity}}',
    ],
    ids=lambda body: body[:30],
)
def test_a_body_that_is_no_request_is_refused(body: bytes) -> None:
    """400 in the type that the client accepts, with one code for all of them."""
    for accept in (JSON, GRAPHQL_RESPONSE):
        response = post(body, accept)
        assert (response.status_code, response["Content-Type"]) == (400, f"{accept}; charset=utf-8")
        assert code(response) == "BAD_REQUEST"


def test_a_number_that_is_too_long_is_said_to_be_that() -> None:
    """It is JSON all the same."""
    response = post(b'{"query": "{ __typename }", "variables": {"a": %s}}' % MANY_DIGITS.encode())
    assert json.loads(response.content)["errors"][0]["message"] == "A number of 5000 digits is too long."


def test_a_body_of_eight_megabytes_is_read() -> None:
    """And judged. A larger one never comes here, see `tests/backend/test_arrival.py`."""
    document = '{"query": "{ __typename }%s"}'
    response = post((document % (" " * (8 * 1024 * 1024 - 100))).encode())
    assert (response.status_code, code(response)) == (200, "LIMIT_EXCEEDED")


def nested(opening: str, inner: str, closing: str, levels: int = 2_000) -> str:
    """Something inside itself."""
    return opening * levels + inner + closing * levels


@pytest.mark.parametrize(
    "document",
    [
        nested("{ a ", "a", "}"),
        nested("{ viewer ", "{ id }", "}", 150),
        "{" + nested("... {", "__typename", "}") + "}",
        "{ nodes(ids: " + nested("[", "", "]") + ") { id } }",
        "{ nodes(ids: " + nested("{ a: ", "1", "}") + ") { id } }",
        "query ($a: " + nested("[", "ID", "]") + ") { __typename }",
        "{ viewer { ...A } } fragment A on Person { followers { edges { node { ...A } } } }",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
        "{ ...F0 }"
        + "".join(f" fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(2_000))
        + " fragment F2000 on Query { __typename }",
        "{ " + " ".join(f"x{n}" for n in range(5_000)) + " }",
        "{ __typename " + "@skip(if: false) " * 2_000 + "}",
        "query A { __typename } query A { __typename }",
        f"{{ stories(first: {MANY_DIGITS}) {{ pageInfo {{ hasNextPage }} }} }}",
        f"{{ stories(first: 1e{MANY_DIGITS}) {{ pageInfo {{ hasNextPage }} }} }}",
        f"{{ stories(first: -{'9' * 4_000}) {{ pageInfo {{ hasNextPage }} }} }}",
        '{ person(handle: "\\ud800") { id } }',
        "{ a\ud800 }",
        "\0",
        "# only a comment",
        "fragment A on Query { __typename }",
        "type Person { id: ID }",
        "{ __typename } type Person { id: ID }",
    ],
    ids=lambda document: document[:30],
)
def test_a_document_that_cannot_be_served_is_a_request_error(document: str) -> None:
    """However deep, long or circular: a short answer that says so, and no text of Python's."""
    response = post({"query": document}, GRAPHQL_RESPONSE)
    assert response.status_code == 400
    assert code(response).startswith(("GRAPHQL_", "OPERATION_", "LIMIT_"))
    assert len(response.content) < 20_000
    assert not any(word in response.content for word in (b"sys.", b"recursion", b"Traceback", b"None"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("ID!", None),
        ("ID!", True),
        ("ID!", 1.5),
        ("ID!", {"a": 1}),
        ("ID!", ["a", "b"]),
    ],
    ids=str,
)
def test_a_variable_of_the_wrong_type_is_a_request_error(declared: str, value: Any) -> None:
    """Nothing is executed with a value that does not fit."""
    response = post(
        {"query": f"query ($v: {declared}) {{ node(id: $v) {{ id }} }}", "variables": {"v": value}},
        GRAPHQL_RESPONSE,
    )
    assert (response.status_code, code(response)) == (400, "BAD_USER_INPUT")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "value", [2**31, -(2**31) - 1, 10**400, 1e300, "1", 1.5, True], ids=lambda value: str(value)[:9]
)
def test_a_number_that_is_no_int_is_a_request_error(value: Any) -> None:
    """An Int has 32 bits and nothing else is turned into one."""
    query = "query ($v: Int) { stories(first: $v) { pageInfo { hasNextPage } } }"
    response = post({"query": query, "variables": {"v": value}}, GRAPHQL_RESPONSE)
    assert (response.status_code, code(response)) == (400, "BAD_USER_INPUT")
    assert len(response.content) < 2_000


# --- Noise ------------------------------------------------------------------------------------------------------

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
documents = st.text() | st.sampled_from(
    [
        "query ($v: ID!) { node(id: $v) { id } }",
        "query ($v: String!) { person(handle: $v) { id } }",
        "query ($v: [ID!]!) { nodes(ids: $v) { id } relationships(people: $v) { id } }",
        "query ($v: Int, $w: String) { stories(first: $v, after: $w) { edges { cursor } } }",
        "mutation ($v: ID!, $w: Expect!) { follow(person: $v, expect: $w) { __typename } }",
        "mutation ($v: CreateStoryInput!, $w: Expect!) { createStory(input: $v, expect: $w) { __typename } }",
        "mutation ($v: ProfilePatch!, $w: Expect!) { updateProfile(patch: $v, expect: $w) { __typename } }",
        "mutation ($v: String!, $w: String!) { signIn(handle: $v, password: $w) { __typename } }",
    ]
)
members = st.fixed_dictionaries(
    {"query": documents | anything},
    optional={
        "variables": st.fixed_dictionaries({}, optional={"v": anything, "w": anything}) | anything,
        "operationName": anything,
        "extensions": anything,
        "": anything,
    },
)


def check_answered(body: bytes) -> None:
    """The body got an answer of GraphQL's: data, or errors that each have a code, and never a failure of ours."""
    for accept in (JSON, GRAPHQL_RESPONSE):
        response = post(body, accept)
        assert response.status_code in (200, 400), (body, response.content)
        answer = json.loads(response.content)
        assert answer.keys() <= {"data", "errors"}
        for error in answer.get("errors", []):
            assert error["message"]
            assert error["extensions"]["code"] != "INTERNAL_SERVER_ERROR", body


@pytest.mark.django_db(transaction=True)
@given(body=st.binary(min_size=1))
def test_any_bytes_get_an_answer(body: bytes) -> None:
    """Random bytes."""
    check_answered(body)


@pytest.mark.django_db(transaction=True)
@given(request_=members | anything)
def test_any_json_gets_an_answer(request_: Any) -> None:
    """Random JSON with the members of a request, in documents that read and write."""
    check_answered(json.dumps(request_).encode())


@pytest.mark.django_db(transaction=True)
@given(headers=st.dictionaries(st.sampled_from(["accept", "authorization", "cookie", "x-csrftoken"]), st.text()))
def test_any_headers_get_an_answer(headers: dict[str, str]) -> None:
    """Random values of the headers that are looked at."""
    plain = {name: value.encode("utf-8", "ignore").decode("latin-1") for name, value in headers.items()}
    response = post({"query": "{ viewer { id } }"}, **plain)
    assert response.status_code in (200, 406), plain
    assert b"INTERNAL_SERVER_ERROR" not in response.content, plain
