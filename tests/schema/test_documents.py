"""Documents: prepared once, remembered while in use, sent by hash or by id, and the only ones where that is said."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection

from backend.persisted import documents as store
from backend.persisted.models import PersistedDocument
from schema.execution import documents
from schema.execution.documents import MAX_CHARACTERS_REMEMBERED, Sent, _Remembered, prepare, trusted
from schema.execution.errors import RequestError
from tests.api.http import Client
from tests.logged import Logged
from tests.races.rivals import race
from tests.schema.counting import counting
from tests.schema.raw_http import post
from tests.serving import PATIENCE_SECONDS, free_port

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "{ __typename }"


def sha256(text: str) -> str:
    """As a client computes it."""
    return hashlib.sha256(text.encode()).hexdigest()


def by_hash(text: str, **members: Any) -> dict[str, Any]:
    """What the server says to the hash of a text, sent without the text unless `members` have it."""
    persisted = {"persistedQuery": {"version": 1, "sha256Hash": sha256(text)}}
    answer: dict[str, Any] = post({"extensions": persisted, **members}).json()
    return answer


def code(answer: dict[str, Any]) -> str:
    """Of its only error."""
    (error,) = answer["errors"]
    said: str = error["extensions"]["code"]
    return said


# --- Prepared once ----------------------------------------------------------------------------------------------


def test_a_document_is_parsed_and_validated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its second request finds it ready, and so does one with other variables."""
    calls = []
    validate = documents.validate
    monkeypatch.setattr(documents, "validate", lambda *args, **rest: calls.append(1) or validate(*args, **rest))
    query = "query Once($n: String!) { __type(name: $n) { name } }"
    first = prepare(Sent(query))
    for name in ("Story", "Person"):
        answer = post({"query": query, "variables": {"n": name}, "operationName": "Once"})
        assert answer.json() == {"data": {"__type": {"name": name}}}
    assert prepare(Sent(query)) is first
    assert len(calls) == 1


def test_what_is_wrong_with_a_document_is_remembered_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that repeats its mistake costs no more than one that does not."""
    for _ in range(2):
        with pytest.raises(RequestError) as wrong:
            prepare(Sent("{ thisIsRemembered }"))
        assert wrong.value.errors[0].extensions == {"code": "GRAPHQL_VALIDATION_FAILED"}
        monkeypatch.setattr(documents, "validate", None)


def test_a_very_long_document_is_not_remembered() -> None:
    """A thousand of them would fill the memory."""
    query = "{ __typename " + "#" * MAX_CHARACTERS_REMEMBERED + "\n}"
    assert prepare(Sent(query)) is not prepare(Sent(query))


def test_documents_sent_once_push_out_none_that_are_in_use() -> None:
    """However many: a frontend's own are found ready afterwards."""
    remembered = _Remembered(100)
    own = [f"query Own{n} {{ __typename }}" for n in range(40)]
    first = [remembered.prepared(text) for text in own for _twice in range(2)][::2]
    for n in range(500):
        remembered.prepared(f"query Flood{n} {{ __typename }}")
        if n % 50 == 0:
            assert [remembered.prepared(text) for text in own] == first
    assert all(remembered.prepared(text) is one for text, one in zip(own, first, strict=True))
    assert len(remembered._prepared) <= 100


def test_what_is_remembered_is_bounded_by_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """A prepared document takes some hundred times the memory of its text."""
    monkeypatch.setattr(documents, "MAX_CHARACTERS_IN_ALL", 10_000)
    remembered = _Remembered(1_000)
    in_use = "query InUse { __typename }"
    for n in range(200):
        first = remembered.prepared(in_use)
        remembered.prepared(f"query Long{n} {{ __typename }} #{'.' * 500}")
        assert remembered._characters == sum(map(len, remembered._prepared)) <= 10_000
        assert remembered.prepared(in_use) is first


# --- By hash ----------------------------------------------------------------------------------------------------


def test_a_document_can_be_sent_by_its_hash_once_it_is_known() -> None:
    """Apollo's protocol: by hash, refused; with the text; by hash again."""
    query = "query ByHash { __typename }"
    refused = by_hash(query)
    assert (refused["errors"][0]["message"], code(refused)) == ("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")
    assert by_hash(query, query=query) == {"data": {"__typename": "Query"}}
    assert by_hash(query) == {"data": {"__typename": "Query"}}


def test_a_known_hash_can_be_got(client: Client) -> None:
    """By GET, so that a cache between can keep it."""
    query = "query Got { __typename }"
    by_hash(query, query=query)
    extensions = json.dumps({"persistedQuery": {"version": 1, "sha256Hash": sha256(query)}})
    assert client.get("/graphql", {"extensions": extensions}).json() == {"data": {"__typename": "Query"}}


def test_a_text_is_not_known_by_the_hash_of_another() -> None:
    """Otherwise whoever is first could say what a hash means for everybody."""
    assert (
        code(by_hash("query One { __typename }", query="query Other { __typename }")) == "PERSISTED_QUERY_HASH_MISMATCH"
    )
    assert code(by_hash("query One { __typename }")) == "PERSISTED_QUERY_NOT_FOUND"


def test_a_text_that_is_known_still_has_to_have_its_hash(client: Client) -> None:
    """Also one that is answered without being prepared again."""
    query = "query Known { stories(first: 1) { edges { cursor } } }"
    for _ in range(2):
        assert "data" in client.post("/graphql", {"query": query}, content_type="application/json").json()
    assert code(by_hash("query Another { __typename }", query=query)) == "PERSISTED_QUERY_HASH_MISMATCH"


def test_what_cannot_be_run_is_not_known_by_its_hash() -> None:
    query = "{ noSuchField }"
    assert code(by_hash(query, query=query)) == "GRAPHQL_VALIDATION_FAILED"
    assert code(by_hash(query)) == "PERSISTED_QUERY_NOT_FOUND"


def in_another_process(patch: pytest.MonkeyPatch) -> None:
    """From now on this process remembers nothing that it was sent before."""
    patch.setattr(documents, "_REMEMBERED", _Remembered(100))


def test_what_one_process_was_sent_is_known_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """And another one asks the database once, and writes nothing for it."""
    query = "query Shared { __typename } # \0 is no text to PostgreSQL"
    by_hash(query, query=query)
    in_another_process(monkeypatch)
    with counting() as sent:
        assert by_hash(query) == {"data": {"__typename": "Query"}}
    sent_to_database = [sql for sql in sent if "persisted" in sql]
    assert len(sent_to_database) == 1
    assert sent_to_database[0].startswith("SELECT")
    monkeypatch.setattr(documents, "find", None)
    assert by_hash(query) == {"data": {"__typename": "Query"}}


def test_every_worker_of_a_server_knows_it(server: str) -> None:
    """Whichever answers: each request has a connection of its own."""
    query = "query Everywhere { __typename }"
    persisted = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(query)}}}
    assert "errors" not in sent_to(server, {**persisted, "query": query})
    assert [sent_to(server, persisted) for _ in range(20)] == [{"data": {"__typename": "Query"}}] * 20


def sent_to(server: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "Connection": "close"}
    with urlopen(Request(f"{server}/graphql", json.dumps(body).encode(), headers), timeout=PATIENCE_SECONDS) as answer:
        said: dict[str, Any] = json.load(answer)
    return said


def test_it_is_registered_once_however_often_it_is_sent() -> None:
    """A client that always sends both costs no write a request."""
    query = "query Always { __typename }"
    by_hash(query, query=query)
    with counting() as sent:
        by_hash(query, query=query)
    assert not [sql for sql in sent if "persisted" in sql]
    assert PersistedDocument.objects.count() == 1


def test_what_cannot_be_run_or_is_long_or_mismatched_is_not_stored() -> None:
    for query, sent in [
        ("{ noSuchField }", None),
        ("{ __typename", None),
        ("query Long { __typename } #" + "." * MAX_CHARACTERS_REMEMBERED, None),
        ("query Mine { __typename }", "query Yours { __typename }"),
    ]:
        by_hash(query, query=sent or query)
        assert code(by_hash(query)) == "PERSISTED_QUERY_NOT_FOUND"
    assert not PersistedDocument.objects.exists()


def test_a_text_within_a_mutation_is_not_stored() -> None:
    """It may be a password. As a variable it is no part of the document."""
    literal = 'mutation { signIn(handle: "asha", password: "a secret of mine") { __typename } }'
    by_hash(literal, query=literal)
    assert code(by_hash(literal)) == "PERSISTED_QUERY_NOT_FOUND"
    assert not PersistedDocument.objects.exists()
    variable = "mutation($p: String!) { signIn(handle: $p, password: $p) { __typename } }"
    by_hash(variable, query=variable, variables={"p": "nobody"})
    assert PersistedDocument.objects.count() == 1


def test_the_number_of_stored_documents_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest stay; whoever's was pushed out is asked for its text again."""
    monkeypatch.setattr(store, "MAX_DOCUMENTS", 5)
    queries = [f"query Flood{n} {{ __typename }}" for n in range(12)]
    for query in queries:
        by_hash(query, query=query)
    assert PersistedDocument.objects.count() == 5
    in_another_process(monkeypatch)
    known = [query for query in queries if "data" in by_hash(query)]
    assert known == queries[-5:]
    by_hash(queries[0], query=queries[0])
    in_another_process(monkeypatch)
    assert "data" in by_hash(queries[0])


def test_rivals_who_register_stay_within_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """And none of them fails."""
    monkeypatch.setattr(store, "MAX_DOCUMENTS", 5)
    race([lambda n=n: [store.register(f"query R{n}x{m} {{ __typename }}") for m in range(5)] for n in range(6)])
    store.register("query Last { __typename }")
    assert PersistedDocument.objects.count() == 5


def test_a_database_that_is_away_does_not_know_it(monkeypatch: pytest.MonkeyPatch, logged: Logged) -> None:
    """The client then sends the text, which is answered although it cannot be stored. The log says both."""
    query = "query Away { __typename }"
    by_hash(query, query=query)
    in_another_process(monkeypatch)
    with monkeypatch.context() as away:
        away.setitem(connection.settings_dict, "HOST", "/nowhere")
        connection.close()
        assert code(by_hash(query)) == "PERSISTED_QUERY_NOT_FOUND"
        assert by_hash(query, query=query) == {"data": {"__typename": "Query"}}
        assert by_hash(query) == {"data": {"__typename": "Query"}}
    connection.close()
    assert logged.counts("event") == {("busy",): 2}


def test_a_row_that_does_not_have_its_hash_is_not_believed() -> None:
    """Whoever can write to the table cannot put another document in the place of one."""
    PersistedDocument.objects.create(sha256=bytes.fromhex(sha256("{ a }")), text=b"{ __typename }")
    assert code(by_hash("{ a }")) == "PERSISTED_QUERY_NOT_FOUND"


def test_a_document_has_one_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands between the digits: each other spelling would be remembered beside it, and there is no end of them."""
    query = "query OneHash { __typename }"
    by_hash(query, query=query)
    monkeypatch.setattr(documents, "_REMEMBERED", remembered := _Remembered(100))
    for spelling in (f" {sha256(query)}", f"{sha256(query)[:2]}    {sha256(query)[2:]}", sha256(query) + "\n" * 1_000):
        answer = post({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": spelling}}})
        assert code(answer.json()) == "PERSISTED_QUERY_NOT_FOUND"
    assert "data" in by_hash(query)
    assert list(remembered._texts) == [sha256(query)]


@pytest.mark.parametrize("persisted", [1, [], "x", {}, {"sha256Hash": 1}, {"sha256Hash": None}])
def test_nonsense_for_a_hash_is_a_bad_request(persisted: Any) -> None:
    answer = post({"query": NAME, "extensions": {"persistedQuery": persisted}})
    assert (answer.status_code, code(answer.json())) == (400, "BAD_REQUEST")


# --- Trusted ----------------------------------------------------------------------------------------------------

KNOWN = {
    "feed": "query Feed { __typename }",
    f"sha256:{sha256('query Hashed { __typename }')}": "query Hashed { __typename }",
}
RELAY = KNOWN
APOLLO = {
    "format": "apollo-persisted-query-manifest",
    "version": 1,
    "operations": [{"id": id_, "body": body, "name": "N", "type": "query"} for id_, body in KNOWN.items()],
}


@pytest.fixture(params=[RELAY, APOLLO], ids=["Relay", "Apollo"])
def manifest(request: pytest.FixtureRequest, tmp_path: Path, settings: Any) -> Iterator[None]:
    """A server that knows the documents of its frontends."""
    path = tmp_path / "documents.json"
    path.write_text(json.dumps(request.param))
    settings.TRUSTED_DOCUMENTS = str(path)
    for known in (trusted, documents._trusted_by_hash):
        known.cache_clear()
    yield
    for known in (trusted, documents._trusted_by_hash):
        known.cache_clear()


@pytest.fixture
def only(manifest: None, settings: Any) -> None:
    """A server that serves no others."""
    settings.TRUSTED_DOCUMENTS_ONLY = True


@pytest.mark.usefixtures("manifest")
def test_an_id_is_enough_for_a_trusted_document() -> None:
    for text in KNOWN.values():
        assert by_hash(text) == {"data": {"__typename": "Query"}}
    for id_ in KNOWN:
        assert post({"documentId": id_}).json() == {"data": {"__typename": "Query"}}
    assert by_hash("query Hashed { __typename }") == {"data": {"__typename": "Query"}}
    assert code(post({"documentId": "unknown"}).json()) == "DOCUMENT_NOT_FOUND"
    assert post({"query": NAME}).json() == {"data": {"__typename": "Query"}}


@pytest.mark.usefixtures("only")
def test_a_server_that_trusts_only_its_own_refuses_all_others() -> None:
    """Sent whole or by hash; its own are served in any way."""
    assert code(post({"query": NAME}).json()) == "DOCUMENT_NOT_TRUSTED"
    assert code(by_hash(NAME, query=NAME)) == "DOCUMENT_NOT_TRUSTED"
    assert code(by_hash(NAME)) == "PERSISTED_QUERY_NOT_FOUND"
    store.register(NAME)
    assert code(by_hash(NAME)) == "PERSISTED_QUERY_NOT_FOUND"
    feed = KNOWN["feed"]
    for answer in (post({"query": feed}).json(), post({"documentId": "feed"}).json(), by_hash(feed, query=feed)):
        assert answer == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    "text", [None, "", "[]", "1", '{"operations": [{"id": "a"}]}', '{"a": 1}', '{"operations": ["a"]}']
)
def test_no_server_starts_with_what_is_no_manifest(text: str | None, tmp_path: Path, settings: Any) -> None:
    """It says so in one sentence, where each request by hash or id would be a fault."""
    path = tmp_path / "documents.json"
    if text is not None:
        path.write_text(text)
    settings.TRUSTED_DOCUMENTS = str(path)
    trusted.cache_clear()
    with pytest.raises(ImproperlyConfigured, match="TRUSTED_DOCUMENTS"):
        call_command("serve", port=free_port())


def test_without_a_manifest_no_id_is_known() -> None:
    assert code(post({"documentId": "feed"}).json()) == "DOCUMENT_NOT_FOUND"
