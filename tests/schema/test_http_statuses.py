"""The status of an answer: by default as the published audit has it, by a setting as the draft came to recommend."""

from typing import Any

import pytest

from tests.schema.raw_http import GRAPHQL_RESPONSE, JSON, post

MISTYPED = {"query": "query ($v: ID!) { node(id: $v) { id } }", "variables": {"v": True}}
STATUSES: dict[str, tuple[Any, int, int]] = {
    "an answer": ({"query": "{ __typename }"}, 200, 200),
    "errors beside data": ({"query": "{ __typename health { version } }"}, 200, 294),
    "JSON that cannot be read": (b'{"query":', 400, 400),
    "a document that cannot be read": ({"query": "{"}, 400, 400),
    "no document": ({"qeury": "{ __typename }"}, 400, 422),
    "several requests": ([{"query": "{ __typename }"}], 400, 422),
    "variables that are none": ({"query": "{ __typename }", "variables": [7]}, 400, 422),
    "an operation name that is none": ({"query": "{ __typename }", "operationName": 7}, 400, 422),
    "a hash that is none": ({"extensions": {"persistedQuery": 7}, "query": "{ __typename }"}, 400, 422),
    "an invalid document": ({"query": "{ nonsense }"}, 400, 422),
    "too large a document": ({"query": "{ " + "__typename " * 51 + "}"}, 400, 422),
    "an operation that is not there": ({"query": "{ __typename }", "operationName": "Other"}, 400, 422),
    "a variable of the wrong type": (MISTYPED, 400, 422),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("case", STATUSES)
def test_a_setting_chooses_the_statuses(case: str, settings: Any) -> None:
    """And only those of answers whose type says that the status is GraphQL's own."""
    body, usual, draft = STATUSES[case]
    assert post(body, GRAPHQL_RESPONSE).status_code == usual
    legacy = post(body, JSON)
    settings.DRAFT_STATUSES = True
    answer = post(body, GRAPHQL_RESPONSE)
    assert (answer.status_code, answer["Content-Type"]) == (draft, f"{GRAPHQL_RESPONSE}; charset=utf-8")
    assert (post(body, JSON).status_code, post(body, JSON).content) == (legacy.status_code, legacy.content)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, identity", "nonsense"])
def test_a_packed_body_is_not_unpacked(encoding: str) -> None:
    """A small one could stand for a large one."""
    response = post({"query": "{ __typename }"}, **{"content-encoding": encoding})
    assert response.status_code == 415
    assert post({"query": "{ __typename }"}, **{"content-encoding": "identity"}).status_code == 200
