"""GraphQL over server-sent events: the head, the events, and how a stream ends."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api import ApiClient
from tests.backend.raw import Connection, Served, served
from tests.live.streams import BIO, Sse, session_of, things
from tests.serving import until

pytestmark = pytest.mark.django_db(transaction=True)

WHO = "{ viewer { handle } }"
ALLOWED = "https://app.example"


@pytest.fixture(scope="module")
def live(served_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of one process, whose streams say something each second at least."""
    limits = {"KEEP_ALIVE_SECONDS": "1", "SUBSCRIPTIONS_BY_PERSON": "2", "CORS_ALLOWED_ORIGINS": ALLOWED}
    with served(served_database, tmp_path_factory.mktemp("live") / "log", **limits) as one:
        yield one


def running(live: Served) -> float:
    """How many subscriptions run."""
    return sum(value for name, value in live.metrics().items() if name[0] == "katha_live_subscriptions")


def test_a_stream_tells_what_changes(live: Served, asha: ApiClient, bilal: ApiClient) -> None:
    """Its head lets no proxy keep it back; only `next` comes, and comments while there is nothing to tell."""
    with Sse(live.place, BIO, things(asha.id, version="1"), who=bilal) as stream:
        head = {name.lower(): value for name, value in stream.response.getheaders()}
        assert stream.response.status == 200
        assert head["content-type"] == "text/event-stream; charset=utf-8"
        assert "no-transform" in head["cache-control"]
        assert head["x-accel-buffering"] == "no"
        assert "content-encoding" not in head
        assert stream.lines() == [":"]
        assert asha.update_profile({"bio": "New."}, "1")["applied"] == "WRITTEN"
        assert stream.next() == {"changed": {"id": asha.id, "version": "2", "thing": {"bio": "New."}}}
        assert running(live) == 1
    until(lambda: running(live) == 0, "who has left subscribes no more")


def test_queries_and_mutations_are_one_event(live: Served, asha: ApiClient) -> None:
    """And `complete`. Then the connection ends."""
    with Sse(live.place, WHO, who=asha) as stream:
        assert stream.all() == [("next", {"data": {"viewer": {"handle": "asha"}}}), ("complete", None)]
    written = 'mutation { updateProfile(patch: {bio: "By event."}, expect: {version: "1"}) { __typename } }'
    with Sse(live.place, written, who=asha) as stream:
        assert stream.all()[0] == ("next", {"data": {"updateProfile": {"__typename": "ProfileSuccess"}}})


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("subscription { changed(things: []) { id } }", "INVALID"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
    ],
)
def test_what_is_wrong_with_an_operation_is_told_and_complete(live: Served, query: str, code: str) -> None:
    """A browser's EventSource cannot read the body of another status, and clients would ask again."""
    with Sse(live.place, query) as stream:
        (name, result), complete = stream.all()
        assert (name, complete) == ("next", ("complete", None))
        assert [one["extensions"]["code"] for one in result["errors"]] == [code]
        assert stream.response.status == 200


def test_a_dead_token_is_told_and_complete(live: Served, asha: ApiClient) -> None:
    """A stream that nobody is signed in to would tell of nothing."""
    with Sse(live.place, BIO, things(asha.id), headers={"Authorization": "Bearer nobody"}) as stream:
        (_, result), complete = stream.all()
        assert complete == ("complete", None)
        assert result["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_too_many_are_told_and_complete(live: Served, asha: ApiClient) -> None:
    """So no client comes back at once."""
    with (
        Sse(live.place, BIO, things(asha.id), who=asha) as one,
        Sse(live.place, BIO, things(asha.id), who=asha) as other,
    ):
        one.next()
        other.next()
        with Sse(live.place, BIO, things(asha.id), who=asha) as third:
            (_, result), complete = third.all()
            assert complete == ("complete", None)
            assert result["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
    until(lambda: running(live) == 0, "they have left")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [(b"no json", 400, "BAD_REQUEST"), (b"[]", 400, "BAD_REQUEST"), (b'{"query": 1}', 400, "BAD_REQUEST")],
)
def test_what_is_no_request_has_a_status(live: Served, body: bytes, status: int, code: str) -> None:
    """As without a stream."""
    raw = (
        b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    with Connection(live.place, raw) as connection:
        found = connection.answer()
        assert found is not None
        assert (found.status, found.code) == (status, code)


def get(live: Served, query: str, *headers: str) -> tuple[int, bytes]:
    """The status of a GET, and what comes first of its body."""
    lines = "".join(f"{one}\r\n" for one in headers)
    target = "/graphql?query=" + query.replace(" ", "%20").replace("{", "%7B").replace("}", "%7D").replace('"', "%22")
    raw = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{lines}\r\n"
    with Connection(live.place, raw.encode()) as connection:
        first = connection.socket.recv(65536)
        while b"\r\n\r\n" not in first or first.endswith(b"\r\n\r\n"):
            first += connection.socket.recv(65536)
        return int(first.split()[1]), first.partition(b"\r\n\r\n")[2]


def test_eventsource_asks_by_get(live: Served, asha: ApiClient) -> None:
    """Which only reads."""
    status, body = get(live, f'subscription {{ changed(things: [{{id: "{asha.id}"}}]) {{ version }} }}')
    assert (status, b'{"data":{"changed":{"version":"1"}}}' in body) == (200, True)
    assert get(live, "mutation { signOut }")[0] == 405


def test_a_subscription_without_a_stream_is_told_how(live: Served, asha: ApiClient) -> None:
    """It has more than one answer."""
    with Sse(live.place, BIO, things(asha.id), headers={"Accept": "application/json"}) as stream:
        assert stream.response.status == 406
        assert "text/event-stream" in json.loads(stream.response.read())["errors"][0]["message"]


@pytest.mark.parametrize(
    ("accept", "streams"),
    [
        ("text/event-stream", True),
        ("text/event-stream, multipart/mixed, application/graphql-response+json, application/json", True),
        ("application/graphql-response+json, application/json, text/event-stream, multipart/mixed", False),
        ("*/*", False),
        ("text/event-stream;q=0.1, application/json", False),
    ],
)
def test_the_client_chooses(live: Served, accept: str, streams: bool) -> None:
    """As urql does by the order."""
    with Sse(live.place, WHO, headers={"Accept": accept}) as stream:
        assert (stream.response.headers["Content-Type"].startswith("text/event-stream")) is streams


def test_cookies_need_the_csrf_token_as_anywhere(live: Served, asha: ApiClient) -> None:
    """A POST of another site is refused before it begins."""
    cookie = f"sessionid={session_of(asha)}"
    with Sse(live.place, WHO, headers={"Cookie": cookie}) as stream:
        assert stream.response.status == 403
    token = "x" * 32
    proof = {"Cookie": f"{cookie}; csrftoken={token}", "X-CSRFToken": token}
    with Sse(live.place, WHO, headers=proof) as stream:
        assert stream.all()[0] == ("next", {"data": {"viewer": {"handle": "asha"}}})


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("Sec-Fetch-Site: same-origin", 200),
        ("Sec-Fetch-Site: same-site", 403),
        ("Sec-Fetch-Site: cross-site", 403),
        ("Origin: https://evil.example", 403),
        ("Origin: null", 403),
        ("Accept-Language: en", 200),
    ],
)
def test_a_cookie_begins_a_stream_for_a_page_of_this_server_alone(
    live: Served, asha: ApiClient, said: str, status: int
) -> None:
    """A page of another host of the same site comes with it, as does one that does not want to read the answer."""
    cookie = f"Cookie: sessionid={session_of(asha)}"
    assert get(live, "subscription { notified { unreadCount } }", cookie, said)[0] == status


def test_pages_of_sites_that_were_allowed_may_read_it(live: Served) -> None:
    """By CORS, and no others."""
    for origin, said in ((ALLOWED, ALLOWED), ("https://evil.example", None)):
        with Sse(live.place, WHO, headers={"Origin": origin}) as stream:
            assert stream.response.headers["Access-Control-Allow-Origin"] == said


def test_gone_and_hidden_look_alike(live: Served, asha: ApiClient, bilal: ApiClient) -> None:
    """Byte by byte, but for the id: a story that is hidden, and one that was deleted."""
    draft = asha.create_story("0", title="Draft")["story"]["id"]
    deleted = asha.published_story("1")["id"]
    assert asha.delete_story(deleted, "2")["__typename"] == "StoryDeleted"
    query = "subscription ($things: [SeenInput!]!) { changed(things: $things) { id version thing { __typename } } }"
    answers: list[Any] = []
    for id_ in (draft, deleted):
        with Sse(live.place, query, things(id_), who=bilal) as stream:
            answers.append(json.dumps(stream.next()).replace(id_, "ID"))
    assert answers[0] == answers[1] == json.dumps({"changed": {"id": "ID", "version": None, "thing": None}})
