"""graphql-transport-ws, message by message: what is served, and with which code a connection is closed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.api import ApiClient
from tests.backend.raw import Served, served
from tests.live.streams import BIO, Ws, session_of, things
from tests.serving import until

pytestmark = pytest.mark.django_db(transaction=True)

WHO = "{ viewer { handle } }"
ALLOWED = "https://app.example"


@pytest.fixture(scope="module")
def live(served_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of one process, with small limits."""
    limits = {"INIT_SECONDS": "1", "SUBSCRIPTIONS_BY_PERSON": "3", "CORS_ALLOWED_ORIGINS": ALLOWED}
    with served(served_database, tmp_path_factory.mktemp("live") / "log", **limits) as one:
        yield one


def running(live: Served) -> float:
    """How many subscriptions run."""
    return sum(value for name, value in live.metrics().items() if name[0] == "katha_live_subscriptions")


# --- What is served ---------------------------------------------------------------------------------------------


def test_a_change_is_told_and_no_more_than_that(live: Served, asha: ApiClient, bilal: ApiClient) -> None:
    """At once what is there, then each change; what the client has seen is not told; until it says that it is done."""
    with Ws(live.place, who=bilal) as ws:
        ws.begin("1", BIO, things(asha.id))
        first = ws.next()["changed"]
        assert first == {"id": asha.id, "version": "1", "thing": {"bio": ""}}
        ws.begin("2", BIO, things(asha.id, version="1"))
        assert asha.update_profile({"bio": "New."}, "1")["applied"] == "WRITTEN"
        told = {one["id"]: one["payload"]["data"]["changed"] for one in (ws.hear(), ws.hear())}
        assert told["1"] == told["2"] == {"id": asha.id, "version": "2", "thing": {"bio": "New."}}
        ws.say(type="complete", id="1")
        ws.say(type="complete", id="2")
        until(lambda: running(live) == 0, "nobody subscribes any more")
        ws.say(type="ping")
        assert ws.hear() == {"type": "pong"}


def test_queries_and_mutations_are_served_too(live: Served, asha: ApiClient) -> None:
    """graphql-ws sends everything over one connection."""
    with Ws(live.place, who=asha) as ws:
        ws.begin("q", WHO)
        assert ws.next("q") == {"viewer": {"handle": "asha"}}
        assert ws.hear() == {"id": "q", "type": "complete"}
        ws.begin("m", 'mutation { updateProfile(patch: {bio: "Over it."}, expect: {version: "1"}) { __typename } }')
        assert ws.next("m") == {"updateProfile": {"__typename": "ProfileSuccess"}}
        assert ws.hear() == {"id": "m", "type": "complete"}
        ws.begin("q", WHO)  # the id is free again
        assert ws.next("q") == {"viewer": {"handle": "asha"}}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("subscription { changed(things: []) { id } }", "INVALID"),
        ('subscription { changed(things: [{id: "?"}]) { id } }', "INVALID"),
        ("subscription { changed(things: [{id: 1}]) { id } notified { unreadCount } }", "GRAPHQL_VALIDATION_FAILED"),
        ("", "BAD_REQUEST"),
    ],
)
def test_what_is_wrong_with_an_operation_is_its_error(live: Served, asha: ApiClient, query: str, code: str) -> None:
    """The others over the same connection go on."""
    with Ws(live.place, who=asha) as ws:
        ws.begin("1", query)
        message = ws.hear()
        assert (message["type"], message["id"]) == ("error", "1")
        assert [one["extensions"]["code"] for one in message["payload"]] == [code]
        ws.begin("1", WHO)
        assert ws.next() == {"viewer": {"handle": "asha"}}


def test_what_needs_somebody_says_so(live: Served, asha: ApiClient) -> None:
    """Signed out there is what is public, and no more."""
    with Ws(live.place) as ws:
        for id_, query in enumerate(
            ("notified { unreadCount }", "feedHead { id }", f'presence(story: "{asha.id}") {{ people {{ since }} }}')
        ):
            ws.begin(str(id_), f"subscription {{ {query} }}")
            message = ws.hear()
            assert message["type"] == "error"
            assert message["payload"][0]["extensions"]["code"] in ("UNAUTHENTICATED", "INVALID")
        ws.begin("1", BIO, things(asha.id))
        assert ws.next()["changed"]["version"] == "1"


def test_a_person_has_a_number_of_subscriptions(live: Served, asha: ApiClient) -> None:
    """Over all of their connections; one that has ended makes room. The refusal is a GraphQL error with its code."""
    with Ws(live.place, who=asha) as one, Ws(live.place, who=asha) as other:
        for id_ in ("1", "2"):
            one.begin(id_, BIO, things(asha.id))
            one.next(id_)
        other.begin("1", BIO, things(asha.id))
        other.next("1")
        other.begin("2", BIO, things(asha.id))
        message = other.hear()
        assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "RATE_LIMITED")
        assert message["payload"][0]["extensions"]["retry"]["kind"] == "SAME_REQUEST"
        one.say(type="complete", id="1")
        until(lambda: running(live) == 2, "one has ended")
        other.begin("2", BIO, things(asha.id))
        assert other.next("2")["changed"]["version"] == "1"
    until(lambda: running(live) == 0, "all have ended with their connections")


def test_more_than_so_many_operations_are_refused(live: Served, asha: ApiClient) -> None:
    """Each of them alone; the connection stays."""
    slow = "subscription { notified { unreadCount } }"
    with Ws(live.place, who=asha) as ws:
        for number in range(140):
            ws.begin(str(number), slow)
        refused = set()
        while len(refused) < 137:
            message = ws.hear()
            if message["type"] == "error":
                assert message["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
                refused.add(message["id"])
        ws.begin("more", WHO)
        answer = next(
            one for one in iter(ws.hear, None) if one["id"] == "more"
        )  # those that run may tell something before
        assert answer["payload"]["data"] == {"viewer": {"handle": "asha"}}


# --- Close codes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        "no json",
        "[]",
        '"text"',
        "{}",
        '{"type": "start"}',
        '{"type": "subscribe", "payload": {"query": "{ viewer { id } }"}}',
        '{"type": "subscribe", "id": 1, "payload": {"query": "{ viewer { id } }"}}',
        '{"type": "subscribe", "id": "", "payload": {"query": "{ viewer { id } }"}}',
        '{"type": "subscribe", "id": "1", "payload": "{ viewer { id } }"}',
        '{"type": "complete"}',
        b"\x00\x01",
    ],
)
def test_what_is_no_message_closes_with_4400(live: Served, said: Any) -> None:
    """And the connection with it."""
    ws = Ws(live.place)
    ws.socket.send(said)
    assert ws.closed()[0] == 4400


def test_an_operation_before_the_greeting_closes_with_4401(live: Served) -> None:
    ws = Ws(live.place, greet=False)
    ws.begin("1", WHO)
    assert ws.closed() == (4401, "Unauthorized")


def test_a_dead_token_closes_with_4403(live: Served) -> None:
    ws = Ws(live.place, greet=False)
    ws.say(type="connection_init", payload={"authorization": "Bearer nobody"})
    assert ws.closed() == (4403, "Forbidden")


@pytest.mark.parametrize("subprotocols", [None, ["graphql-ws"], ["soap", "wamp"]])
def test_another_subprotocol_closes_with_4406(live: Served, subprotocols: list[str] | None) -> None:
    """The old protocol of subscriptions-transport-ws is called graphql-ws."""
    ws = Ws(live.place, greet=False, subprotocols=subprotocols)
    assert ws.closed() == (4406, "Subprotocol not acceptable")


def test_no_greeting_closes_with_4408(live: Served) -> None:
    ws = Ws(live.place, greet=False)
    assert ws.closed() == (4408, "Connection initialisation timeout")


def test_the_same_id_twice_closes_with_4409(live: Served, asha: ApiClient) -> None:
    ws = Ws(live.place, who=asha)
    ws.begin("one", BIO, things(asha.id))
    ws.next("one")
    ws.begin("one", BIO, things(asha.id))
    assert ws.closed() == (4409, "Subscriber for one already exists")
    until(lambda: running(live) == 0, "what it had begun has ended")


def test_a_second_greeting_closes_with_4429(live: Served) -> None:
    ws = Ws(live.place)
    ws.say(type="connection_init")
    assert ws.closed() == (4429, "Too many initialisation requests")


def test_a_message_that_is_too_large_closes_with_1009(live: Served) -> None:
    """graphql-ws takes that for fatal, and does not send it again."""
    ws = Ws(live.place)
    ws.begin("1", WHO, {"text": "x" * (1024 * 1024)})
    assert ws.closed()[0] == 1009


# --- Who may connect --------------------------------------------------------------------------------------------


def refused(live: Served, **how: Any) -> tuple[int, str]:
    """The status that the handshake gets, and the code in its body."""
    with pytest.raises(InvalidStatus) as found:
        Ws(live.place, greet=False, **how)
    response = found.value.response
    return response.status_code, json.loads(response.body or b"{}")["errors"][0]["extensions"]["code"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "https://app.example.evil.example", "http://app.example"]
)
def test_a_page_of_another_site_may_not_connect(live: Served, origin: str) -> None:
    """A browser would send this server's cookies with it."""
    assert refused(live, origin=origin) == (403, "FORBIDDEN")


def test_a_cookie_signs_in_a_page_of_this_server_alone(live: Served, asha: ApiClient) -> None:
    """A site that was allowed uses tokens; what names no origin is no browser."""
    cookie = {"Cookie": f"sessionid={session_of(asha)}"}
    own = "http://{}:{}".format(*live.place)
    for origin, handle in ((own, "asha"), (None, "asha"), (ALLOWED, None)):
        with Ws(live.place, headers=cookie, origin=origin) as ws:
            ws.begin("1", WHO)
            assert ws.next() == {"viewer": handle and {"handle": handle}}, origin
    with Ws(live.place, who=asha, origin=ALLOWED) as ws:
        ws.begin("1", WHO)
        assert ws.next() == {"viewer": {"handle": "asha"}}
