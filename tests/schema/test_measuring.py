"""The statement looks how long the texts of an answer are, and prints none if they are too long."""

import uuid
from typing import Any

import pytest

from tests.api import ApiClient

pytestmark = pytest.mark.django_db(transaction=True)

LONG = 3_000
"""Characters of a body in these tests; each has three bytes."""
WHOLE = """query ($id: ID!) { story(id: $id) { title summary author { bio } chapters { title body } again: chapters { body }
  revisions(first: 5) { edges { node { values by { bio } } } pageInfo { hasNextPage endCursor } } } }"""


def found(answer: dict[str, Any]) -> int:
    """What was found to be too long."""
    (error,) = answer["errors"]
    assert answer["data"] is None
    assert (error["extensions"]["code"], error["extensions"]["limit"]) == ("LIMIT_EXCEEDED", "answer")
    return int(error["extensions"]["found"])


@pytest.fixture
def story(asha: ApiClient) -> str:
    """With three chapters that are long, and one revision of its summary."""
    asha.update_profile({"bio": "b" * 600}, "1")
    story = asha.published_story()
    first = story["chapters"][0]
    for _ in range(2):
        asha.append(story["id"], "More", "ক" * LONG)
    asha.update_chapter(first["id"], {"body": "ক" * LONG}, "1")
    return str(story["id"])


def test_what_would_be_too_long_is_counted_before_it_is_printed(asha: ApiClient, story: str, settings: Any) -> None:
    """In bytes, each text as often as it is in the answer; with that limit it is answered, with one less it is not."""
    settings.MAX_ANSWER_CHARACTERS = 1
    size = found(asha.post(WHOLE, id=story))
    assert size > 2 * 3 * 3 * LONG + 600
    settings.MAX_ANSWER_CHARACTERS = size - 1
    assert found(asha.post(WHOLE, id=story)) == size
    settings.MAX_ANSWER_CHARACTERS = size
    measured = asha.post(WHOLE, id=story)
    settings.MAX_ANSWER_CHARACTERS = 10**9
    assert measured == asha.post(WHOLE, id=story)
    assert len(measured["data"]["story"]["chapters"]) == 3


LISTS = [
    "{ stories(first: 100) { edges { node { chapters { body } } } } }",
    "{ stories(last: 1) { edges { node { chapters { body } } } pageInfo { startCursor } totalCount: __typename } }",
    "query ($id: ID!) { nodes(ids: [$id, $id]) { id ... on Story { chapters { story { chapters { body } } } } } }",
    "{ viewer { stories(first: 3) { edges { node { chapters { body } } } } } }",
    "{ __schema { queryType { name } } stories { edges { node { chapters { body } } } } }",
]


@pytest.mark.parametrize("document", LISTS)
def test_texts_are_found_wherever_they_are(asha: ApiClient, story: str, settings: Any, document: str) -> None:
    """In pages, lookups and lists within lists, alone and beside what is no part of the statement."""
    document = document if "$id" in document else document.replace("{", "query ($id: ID) { node(id: $id) { id } ", 1)
    settings.MAX_ANSWER_CHARACTERS = 10_000
    assert found(asha.post(document.replace("$id: ID)", "$id: ID!)"), id=story)) >= 3 * 3 * LONG


def test_whoever_has_no_valid_token_is_measured_as_signed_out(story: str, settings: Any) -> None:
    settings.MAX_ANSWER_CHARACTERS = 10_000
    for token in (None, "made up"):
        assert found(ApiClient(token).post(WHOLE.split("revisions")[0] + "} }", id=story)) >= 3 * 3 * LONG


def test_rows_of_writes_are_measured(asha: ApiClient, story: str, settings: Any) -> None:
    """All of a request together; what is written stays written."""
    size = 3 * 3 * LONG
    settings.MAX_ANSWER_CHARACTERS = size + 3_000
    write = 'a%d: updateProfile(patch: {name: "N%d"}, expect: {version: "%d"}) '
    write += "{ ... on ProfileSuccess { person { version %s } } }"
    texts = "stories(first: 1) { edges { node { a: chapters { body } } } }"
    assert "errors" not in asha.post("mutation { " + write % (1, 1, 2, texts) + " }")
    answer = asha.post("mutation { " + write % (1, 2, 3, texts) + write % (2, 3, 4, texts) + " }")
    assert found(answer) > size
    assert "may be written" in answer["errors"][0]["message"]
    assert asha.ask("{ viewer { name } }") == {"viewer": {"name": "N3"}}


def test_a_statement_that_is_too_large_is_not_run(asha: ApiClient, settings: Any) -> None:
    """It is refused while it is made. What a mutation has written stays written, and is told when less is asked for."""
    settings.MAX_STATEMENT_CHARACTERS = 3_000
    lists = " ".join(f"l{number}: followers {{ totalCount edges {{ node {{ handle }} }} }}" for number in range(5))
    answer = asha.post(f"{{ viewer {{ {lists} }} }}")
    (error,) = answer["errors"]
    assert answer["data"] is None
    assert error["extensions"] | {"found": 0} == {
        "code": "LIMIT_EXCEEDED",
        "limit": "statement",
        "most": 3_000,
        "found": 0,
    }
    assert error["extensions"]["found"] > 3_000
    write = 'mutation ($key: UUID) { updateProfile(patch: {name: "New"}, expect: {version: "1"}, key: $key) '
    write += "{ ... on ProfileSuccess { applied person { name %s } } } }"
    key = str(uuid.uuid4())
    (error,) = asha.post(write % lists, key=key)["errors"]
    assert (error["extensions"]["code"], error["extensions"]["limit"]) == ("LIMIT_EXCEEDED", "statement")
    assert "may be written" in error["message"]
    told = asha.ask(write % "", key=key)["updateProfile"]
    assert told == {"applied": "REPLAYED", "person": {"name": "New"}}
