"""Apollo Client, urql and Relay: their documents, their headers, and what their caches build on."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema, parse, validate

from tests.api import ApiClient
from tests.api.http import Client

HERE = Path(__file__).parent
DOCUMENTS = {path.stem: path.read_text() for path in sorted(HERE.glob("*.graphql"))}
SCHEMA = HERE.parents[1] / "schema" / "schema.graphql"
ACCEPT = {
    "apollo": "application/graphql-response+json,application/json;q=0.9",
    "urql": "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, "
    "multipart/mixed",
    "relay": "*/*",
}
ENHANCED = {"clientLibrary": {"name": "@apollo/client", "version": "4.3.8"}}


class App:
    """Somebody's client: it sends its own headers and members of a request."""

    def __init__(self, who: ApiClient) -> None:
        self.who = who

    def send(self, name: str, *, method: str = "POST", **variables: Any) -> Any:
        """The data that a document brings."""
        kind = name.partition("-")[0]
        headers = {"accept": ACCEPT[kind], "authorization": f"Bearer {self.who.token}"}
        if method == "GET":
            members = {"query": DOCUMENTS[name], "variables": json.dumps(variables)}
            response = Client().get("/graphql", members, headers=headers)
        else:
            body: dict[str, Any] = {"query": DOCUMENTS[name], "variables": variables}
            if kind == "apollo":
                body |= {"operationName": name.partition("-")[2].title(), "extensions": ENHANCED}
            response = Client().post("/graphql", json.dumps(body), content_type="application/json", headers=headers)
        media = "application/json" if kind == "relay" else "application/graphql-response+json"
        assert (response.status_code, response["Content-Type"]) == (200, f"{media}; charset=utf-8")
        answer = response.json()
        assert "errors" not in answer, answer
        return answer["data"]


@pytest.fixture
def app(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> App:
    """Asha's client; bilal has two stories, and chitra follows him."""
    bilal.published_story(title="first")
    bilal.published_story("1", title="second")
    chitra.follow(bilal)
    return App(asha)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_clients_document_fits_the_contract(name: str) -> None:
    """Against the printed schema, as their compilers and editors check it."""
    assert validate(build_schema(SCHEMA.read_text()), parse(DOCUMENTS[name])) == []


def things(value: Any) -> Iterator[dict[str, Any]]:
    """Everything in an answer that a normalising cache keeps by its id."""
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from things(one)
    if isinstance(value, dict) and "id" in value:
        yield value


def test_apollo_keeps_one_of_each_thing(app: App) -> None:
    """Everything with an id has its type beside it, and the same id has the same content wherever it comes."""
    data = app.send("apollo-feed", first=3)
    assert [edge["node"]["title"] for edge in data["stories"]["edges"]] == ["second", "first"]
    seen: dict[str, dict[str, Any]] = {}
    for thing in things(data):
        assert thing["__typename"]
        for name, value in thing.items():
            assert seen.setdefault(thing["id"], {}).setdefault(name, value) == value
    types = {thing["__typename"] for thing in seen.values()}
    assert types == {"Person", "Shelf", "Story", "Reading", "Relationship"}


def test_apollo_updates_its_cache_from_a_conflict(app: App, bilal: ApiClient) -> None:
    """The thing in `current` has the id of the one that is shown, so that the page is right at once."""
    key = str(uuid.uuid4())
    written = app.send("apollo-follow", person=bilal.id, expect={"version": "0"}, key=key)["follow"]
    assert (written["__typename"], written["applied"]) == ("RelationshipSuccess", "WRITTEN")
    assert written["relationship"]["person"]["followerCount"] == 2
    replayed = app.send("apollo-follow", person=bilal.id, expect={"version": "0"}, key=key)["follow"]
    assert replayed["applied"] == "REPLAYED"
    conflict = app.send("apollo-follow", person=bilal.id, expect={"version": "0"}, key=None)["follow"]
    assert conflict["__typename"] == "ConflictError"
    assert conflict["current"]["id"] == written["relationship"]["id"]
    assert (conflict["current"]["following"], conflict["current"]["version"]) == (True, "1")


def test_urql_reads_by_get_and_writes_by_post(app: App, bilal: ApiClient) -> None:
    """A refusal is data, with its type."""
    for method in ("GET", "POST"):
        data = app.send("urql-feed", method=method, first=1)
        assert (data["stories"]["edges"][0]["node"]["title"], data["stories"]["pageInfo"]["hasNextPage"]) == (
            "second",
            True,
        )
    data = app.send("urql-follow", p="nonsense", e={"version": "0"})
    assert (data["follow"]["__typename"], data["follow"]["code"]) == ("InvalidError", "INVALID")


def test_relay_pages_forward_and_backward(app: App, bilal: ApiClient) -> None:
    """From a page's query, the rest of a list by the node that owns it, and of a root list from its other end."""
    page = app.send("relay-page", handle="bilal")
    followers = page["person"]["followers"]
    assert [edge["node"]["handle"] for edge in followers["edges"]] == ["chitra"]
    cursor = followers["pageInfo"]["endCursor"]
    more = app.send("relay-followers", id=page["person"]["id"], count=5, cursor=cursor)["node"]
    assert (more["__typename"], more["followers"]["edges"]) == ("Person", [])
    last = app.send("relay-stories", count=1, cursor=None)["stories"]
    assert [edge["node"]["title"] for edge in last["edges"]] == ["first"]
    assert last["pageInfo"]["hasPreviousPage"] is True
    before = app.send("relay-stories", count=1, cursor=last["pageInfo"]["startCursor"])["stories"]
    assert [edge["node"]["title"] for edge in before["edges"]] == ["second"]
    assert before["pageInfo"]["hasPreviousPage"] is False


def test_relay_learns_what_is_a_failure(app: App, bilal: ApiClient) -> None:
    """By the typename that it asks for under the interface."""
    written = app.send("relay-follow", person=bilal.id, expect={"version": "0"}, key=None)["follow"]
    assert written["relationship"]["person"]["relationship"] == {
        "id": written["relationship"]["id"],
        "version": "1",
        "following": True,
    }
    conflict = app.send("relay-follow", person=bilal.id, expect={"version": "0"}, key=None)["follow"]
    assert (conflict["__typename"], conflict["__isFailure"]) == ("ConflictError", "ConflictError")
    assert conflict["current"]["__typename"] == "Relationship"
