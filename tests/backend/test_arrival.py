"""Requests as they come over a real connection: slowly, cut short, in pieces, ambiguous, too large, and given up."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from psycopg import connect

from backend.engine.errors import Busy
from backend.limits.admission import SMALL, Budget, Share
from schema.execution.problems import Problem
from schema.server import http
from schema.server.arrival import Left, body_of
from schema.server.asgi import Application
from schema.server.policy import Policy
from tests.backend.raw import CHUNKED, HEADERS, QUERY, Connection, Served, chunks, said, served, whole
from tests.serving import until

CUT_SHORT = (HEADERS + CHUNKED + b"1a\r\n" + QUERY + b"\r\n", HEADERS + b"Content-Length: 27\r\n\r\n" + QUERY)
"""What has come of both can be read as a request."""
CLOSED = (0, None)
GOOD = (200, None)
BAD = (400, "BAD_REQUEST")
LATE = (408, "REQUEST_TIMEOUT")
LARGE = (413, "CONTENT_TOO_LARGE")
SLOW_CLIENTS = 40
MANY = 10
LOCKED = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.fixture(scope="module")
def impatient(served_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that waits two seconds for a body, and an hour for an answer."""
    log = tmp_path_factory.mktemp("impatient") / "log"
    with served(served_database, log, BODY_SECONDS="2", REQUEST_SECONDS="3600") as found:
        yield found


def test_slow_clients_hold_up_nobody(impatient: Served) -> None:
    """Many more than there are threads; each is told 408 in the end."""
    with ExitStack() as stack:
        raw = HEADERS + b"Content-Length: 30\r\n\r\n" + QUERY
        slow = [stack.enter_context(Connection(impatient.place, raw)) for _ in range(SLOW_CLIENTS)]
        with Connection(impatient.place, whole(QUERY)) as quick:
            assert said(quick) == GOOD
        assert [said(one) for one in slow] == [LATE] * SLOW_CLIENTS


def headed(*lines: bytes) -> bytes:
    """A whole request with these header lines besides."""
    return whole(QUERY).replace(b"Host:", b"".join(line + b"\r\n" for line in lines) + b"Host:")


IN_CHUNKS = (b"Content-Length: 26\r\n\r\n" + QUERY, CHUNKED + b"1a\r\n" + QUERY + b"\r\n0\r\n\r\n")
REQUESTS = {
    "chunked": (chunks(QUERY), GOOD),
    "chunked in many pieces": (chunks(*(QUERY[n : n + 1] for n in range(len(QUERY)))), GOOD),
    "chunked with a trailer": (chunks(QUERY, trailer=b"X-Checksum: abc\r\nX-More: d\r\n"), GOOD),
    "chunked with an extension": (HEADERS + CHUNKED + b"1a;a=b\r\n" + QUERY + b"\r\n0\r\n\r\n", GOOD),
    "chunked without end": (CUT_SHORT[0], LATE),
    "a length that is no number": (HEADERS + CHUNKED + b"zz\r\n" + QUERY + b"\r\n0\r\n\r\n", BAD),
    "a chunk that is longer than it says": (HEADERS + CHUNKED + b"5\r\n" + QUERY + b"\r\n0\r\n\r\n", BAD),
    "a chunk that is too large": (HEADERS + CHUNKED + b"900000\r\n" + b" " * 0x900000 + b"\r\n0\r\n\r\n", LARGE),
    "a length that is too large": (HEADERS + b"Content-Length: 99999999\r\n\r\n", LARGE),
    "shorter than its length": (CUT_SHORT[1], LATE),
    "two lengths": (headed(b"Content-Length: 5"), BAD),
    "the same length twice": (headed(b"Content-Length: 26"), BAD),
    "a list of lengths": (HEADERS + b"Content-Length: 26, 26\r\n\r\n" + QUERY, BAD),
    "a negative length": (HEADERS + b"Content-Length: -1\r\n\r\n" + QUERY, BAD),
    "a length with a sign": (HEADERS + b"Content-Length: +26\r\n\r\n" + QUERY, BAD),
    "a length beyond all numbers": (HEADERS + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n" + QUERY, BAD),
    "both lengths": (HEADERS + b"Content-Length: 26\r\n" + CHUNKED + b"1a\r\n" + QUERY + b"\r\n0\r\n\r\n", BAD),
    "both lengths the other way": (
        HEADERS + CHUNKED[:-2] + b"Content-Length: 26\r\n\r\n1a\r\n" + QUERY + b"\r\n0\r\n\r\n",
        BAD,
    ),
    "an unknown coding": (HEADERS + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", BAD),
    "two codings in one": (chunks(QUERY).replace(b"chunked", b"gzip, chunked"), BAD),
    "chunked in another's middle": (chunks(QUERY).replace(b"chunked", b"chunked, gzip"), BAD),
    "two codings": (HEADERS + b"Transfer-Encoding: chunked\r\n" + CHUNKED + b"0\r\n\r\n", BAD),
    "chunked in HTTP/1.0": (chunks(QUERY).replace(b"HTTP/1.1", b"HTTP/1.0"), BAD),
    "HTTP/1.0": (whole(QUERY).replace(b"HTTP/1.1", b"HTTP/1.0"), GOOD),
    "HTTP/1.0 without a host": (
        whole(QUERY).replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Host: localhost\r\n", b""),
        GOOD,
    ),
    "two hosts": (headed(b"Host: a"), BAD),
    "the same host twice": (headed(b"Host: localhost"), BAD),
    "a host with somebody": (whole(QUERY).replace(b"localhost", b"evil@localhost"), BAD),
    "a host with a blank": (whole(QUERY).replace(b"localhost", b"a b"), BAD),
    "a host that is an address": (whole(QUERY).replace(b"localhost", b"[::1]:8000"), GOOD),
    "no host": (whole(QUERY).replace(b"Host: localhost\r\n", b""), BAD),
    "a path without a slash": (whole(QUERY).replace(b" /graphql ", b" graphql "), BAD),
    "a tunnel": (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", BAD),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD),
    "HTTP/3.0": (whole(QUERY).replace(b"HTTP/1.1", b"HTTP/3.0"), BAD),
    "a blank before the colon": (headed(b"X-A : b"), BAD),
    "a line that goes on in the next": (headed(b"X-A: b\r\n c"), BAD),
    "bare line feeds": (whole(QUERY).replace(b"\r\n", b"\n"), BAD),
    "a bare line feed": (whole(QUERY).replace(b"localhost\r\n", b"localhost\n"), BAD),
    "a bare carriage return": (headed(b"X-A: b\rX-B: c"), BAD),
    "a bare line feed after a chunk's length": (chunks(QUERY).replace(b"1a\r\n", b"1a\n"), BAD),
    "NUL in a header": (headed(b"X-A: \0"), BAD),
    "NUL in the name of a header": (headed(b"X\0A: b"), BAD),
    "NUL in the path": (whole(QUERY).replace(b"/graphql", b"/graphql\0"), BAD),
    "beyond ASCII in the path": (whole(QUERY).replace(b"/graphql", b"/graphql\xff"), BAD),
    "a large header": (headed(b"X-A: " + b"a" * 1_000_000), (431, "HEADERS_TOO_LARGE")),
    "a header's large name": (headed(b"a" * 1_000_000 + b": b"), (431, "HEADERS_TOO_LARGE")),
    "many headers": (headed(*(b"X-%d: a" % n for n in range(40_000))), (431, "HEADERS_TOO_LARGE")),
    "a long path": (
        b"GET /graphql?query=" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        (414, "URI_TOO_LONG"),
    ),
    "a path of a megabyte": (b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", (414, "URI_TOO_LONG")),
    "a large trailer": (
        chunks(QUERY, trailer=b"X-A: " + b"a" * 1_000_000 + b"\r\n"),
        (431, "HEADERS_TOO_LARGE"),
    ),
    "a large extension of a chunk": (
        HEADERS + CHUNKED + b"1a;" + b"a" * 1_000_000 + b"\r\n" + QUERY + b"\r\n0\r\n\r\n",
        (431, "HEADERS_TOO_LARGE"),
    ),
    "an upgrade that is not served": (headed(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"), GOOD),
    "an upgrade of what is chunked": (headed(b"Upgrade: h2c", b"Connection: Upgrade").replace(*IN_CHUNKS), GOOD),
    "a WebSocket": (headed(b"Connection: Upgrade", b"Upgrade: websocket"), GOOD),
    "two lengths and an upgrade": (headed(b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: 5"), BAD),
    "no HTTP": (b"hello\r\n\r\n", BAD),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", BAD),
}


@pytest.mark.parametrize("what", REQUESTS)
def test_a_request_is_whole_and_unambiguous(impatient: Served, what: str) -> None:
    """Cut short is not whole even where what came could be read. What is refused says so in JSON, and ends the connection."""
    raw, expected = REQUESTS[what]
    with Connection(impatient.place) as one:
        try:
            one.send(raw)
        except ConnectionError:
            assert expected[0] in (414, 431)
        found = one.answer()
        assert found is not None
        assert (found.status, found.code) == expected
        assert found.headers["content-type"] == "application/json; charset=utf-8"
        assert found.headers["x-request-id"]
        assert found.headers["date"]
        if expected != GOOD:
            assert found.headers["connection"] == "close"
            assert one.is_closed()


@pytest.mark.parametrize("raw", CUT_SHORT, ids=["chunked", "with a length"])
def test_what_is_cut_short_is_not_served(impatient: Served, raw: bytes) -> None:
    """The server may still say so, or find the connection closed."""
    with Connection(impatient.place, raw) as one:
        one.socket.shutdown(socket.SHUT_WR)
        assert said(one) in (BAD, CLOSED)


# --- One after the other ----------------------------------------------------------------------------------------


def test_requests_that_are_sent_together_are_answered_in_their_order(impatient: Served) -> None:
    """All of them, also where one is quicker than the one before."""
    queries = [b"{ viewer { handle } }" if n % 3 == 0 else b"{ a%d: __typename }" % n for n in range(20)]
    with Connection(impatient.place, b"".join(whole(b'{"query":"%b"}' % query) for query in queries)) as one:
        for n in range(20):
            found = one.answer()
            assert found is not None
            assert found.status == 200
            assert found.body == (b'{"data":{"viewer":null}}' if n % 3 == 0 else b'{"data":{"a%d":"Query"}}' % n)
        one.send(whole(QUERY))
        assert said(one) == GOOD


def test_who_asks_for_another_protocol_is_answered_in_this_one(impatient: Served) -> None:
    """Also what follows on the connection, wherever the pieces are cut."""
    upgrade = headed(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")
    with Connection(impatient.place, upgrade * 2 + whole(QUERY) + upgrade[:-5]) as one:
        assert [said(one) for _ in range(3)] == [GOOD] * 3
        one.send(upgrade[-5:])
        assert said(one) == GOOD
        for n in range(0, len(upgrade), 7):
            one.send(upgrade[n : n + 7])
        assert said(one) == GOOD


@pytest.mark.parametrize("before", [1, 3])
def test_garbage_never_overtakes_an_answer(impatient: Served, before: int) -> None:
    """What came whole before it is answered; then the connection is closed."""
    with Connection(impatient.place, whole(b'{"query":"{ viewer { handle } }"}') * before + b"garbage\r\n\r\n") as one:
        assert [said(one) for _ in range(before)] == [GOOD] * before
        assert said(one) in (BAD, CLOSED)
        assert one.is_closed()


def test_a_large_body_and_half_a_head_after_it_are_no_large_head(impatient: Served) -> None:
    """They may come in one piece; the rest comes later."""
    large = b'{"query":"{ __typename }","variables":{"a":"%b"}}' % (b"a" * 400_000)
    with Connection(impatient.place, whole(large) + HEADERS) as one:
        assert said(one) == GOOD
        one.send(b"Content-Length: %d\r\n\r\n" % len(QUERY) + QUERY)
        assert said(one) == GOOD


def test_a_connection_serves_until_it_is_told_to_close(impatient: Served) -> None:
    """In HTTP/1.0 that is after one request."""
    with Connection(impatient.place, whole(QUERY) * 3) as one:
        assert [said(one) for _ in range(3)] == [GOOD] * 3
        one.send(headed(b"Connection: close"))
        assert said(one) == GOOD
        assert one.is_closed()
    with Connection(impatient.place, whole(QUERY).replace(b"HTTP/1.1", b"HTTP/1.0")) as one:
        assert said(one) == GOOD
        assert one.is_closed()


# --- The memory for bodies --------------------------------------------------------------------------------------


class Pieces:
    """A body that arrives in these pieces."""

    def __init__(self, *pieces: bytes, ends: bool = True) -> None:
        self._messages: list[Mapping[str, Any]] = [
            {"type": "http.request", "body": piece, "more_body": not ends or n < len(pieces) - 1}
            for n, piece in enumerate(pieces)
        ]
        self._messages.append({"type": "http.disconnect"})

    async def __call__(self) -> Mapping[str, Any]:
        return self._messages.pop(0)

    @property
    def left(self) -> int:
        """How many messages nobody has asked for."""
        return len(self._messages)


CHUNKED_BODY = (b"transfer-encoding", b"chunked")
SCOPE: dict[str, Any] = {
    "type": "http",
    "http_version": "1.1",
    "method": "POST",
    "path": "/graphql",
    "query_string": b"",
    "scheme": "http",
    "client": ("127.0.0.1", 1),
    "server": ("127.0.0.1", 2),
    "headers": [(b"host", b"localhost"), CHUNKED_BODY],
}
POLICY = Policy.of_settings()._replace(body_bytes=4 * SMALL, body_seconds=60.0)


def read(length: int | None, share: Share, *pieces: bytes, ends: bool = True) -> bytes:
    """The body of a request."""
    return asyncio.run(body_of(length, Pieces(*pieces, ends=ends), share, POLICY))


@pytest.mark.parametrize("length", [None, 3 * SMALL])
def test_large_bodies_share_the_memory(length: int | None) -> None:
    """Who finds no room is told to wait; what the others held is there again once they are answered. Small ones need none."""
    budget = Budget(2 * SMALL)
    one, other, small = Share(budget), Share(budget), Share(budget)
    large = [b"x" * SMALL] * 3
    assert read(length, one, *large) == b"x" * 3 * SMALL
    assert budget.free == 0
    with pytest.raises(Busy) as refused:
        read(length, other, *large)
    assert (refused.value.code, refused.value.cause) == ("BUSY", "bodies")
    assert refused.value.after_ms > 0
    assert read(SMALL, small, b"y" * SMALL) == b"y" * SMALL
    for share in (one, other, small, one):
        share.release()
    assert budget.free == 2 * SMALL
    assert read(length, other, *large) == b"x" * 3 * SMALL


@pytest.mark.parametrize(("length", "pieces"), [(5 * SMALL, 0), (None, 5)])
def test_a_body_that_is_too_large_is_not_kept(length: int | None, pieces: int) -> None:
    """With a length none of it is read."""
    with pytest.raises(Problem) as refused:
        read(length, Share(Budget(100 * SMALL)), *[b"x" * SMALL] * pieces)
    assert (refused.value.status, refused.value.code) == LARGE


def test_a_body_that_ends_too_early_is_not_served() -> None:
    """The client has closed the connection."""
    with pytest.raises(Left):
        read(None, Share(Budget(0)), b"x", b"y", ends=False)


def test_other_sites_may_read_that_there_is_a_fault(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """If they may ask: else they could not tell the id that stands in the log."""
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
    sent = list[Mapping[str, Any]]()

    async def fail(*_: Any) -> None:
        raise LookupError

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    monkeypatch.setattr(http, "_answered", fail)
    scope = {**SCOPE, "headers": [*SCOPE["headers"], (b"origin", b"https://app.example")]}
    asyncio.run(Application()(scope, Pieces(b"{}"), send))
    headers = {name.lower(): value for name, value in sent[0]["headers"]}
    assert sent[0]["status"] == 500
    assert headers[b"access-control-allow-origin"] == b"https://app.example"


@pytest.mark.parametrize(("begun", "code"), [(False, "BUSY"), (True, "OUTCOME_UNKNOWN")])
def test_what_is_cut_off_as_the_server_stops_is_told_so(
    monkeypatch: pytest.MonkeyPatch, begun: bool, code: str
) -> None:
    """While its body still comes nothing is written; what a thread has begun may be."""
    sent, ready, end = list[Mapping[str, Any]](), asyncio.Event(), threading.Event()
    scope = {**SCOPE, "headers": [(b"host", b"localhost"), (b"content-type", b"application/json"), CHUNKED_BODY]}

    async def receive() -> Mapping[str, Any]:
        if begun:
            return {"type": "http.request", "body": b'{"query": "{ cutOff: viewer { id } }"}', "more_body": False}
        ready.set()
        await asyncio.Event().wait()
        raise AssertionError("nothing comes")

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    async def stop() -> None:
        loop = asyncio.get_running_loop()

        def works(*_: Any) -> None:
            loop.call_soon_threadsafe(ready.set)
            assert end.wait(60)

        monkeypatch.setattr(http, "prepare", works)  # it is called in a thread
        serving = asyncio.ensure_future(Application()(scope, receive, send))
        await ready.wait()
        serving.cancel()
        await serving
        end.set()

    asyncio.run(stop())
    assert sent[0]["status"] == 503
    assert {name.lower() for name, _ in sent[0]["headers"]} >= {b"x-request-id", b"retry-after"}
    assert json.loads(sent[1]["body"])["errors"][0]["extensions"]["code"] == code


@pytest.mark.parametrize("pieces", [[b"x" * 2 * SMALL], [b"x" * 1024] * 32], ids=["at once", "in pieces"])
@pytest.mark.parametrize(("limit", "memory", "status"), [(2 * SMALL - 1, 1 << 30, 413), (1 << 30, SMALL - 1, 503)])
def test_what_is_refused_with_its_last_piece_is_answered(
    settings: Any, pieces: list[bytes], limit: int, memory: int, status: int
) -> None:
    """Nothing else is waited for."""
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE, settings.MAX_BODY_MEMORY = limit, memory
    arriving, sent = Pieces(*pieces), list[Mapping[str, Any]]()

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    asyncio.run(Application()(SCOPE, arriving, send))
    assert sent[0]["status"] == status
    assert arriving.left == 1


# --- What takes long --------------------------------------------------------------------------------------------


def test_who_asks_for_much_holds_up_nobody_else(
    impatient: Served, served_database: str, transactional_db: None
) -> None:
    """More such queries than there are threads, all of which wait for a lock: two of them do, the rest for their turn."""
    much = b'{"query":"{ stories(first: 100) { edges { node { title summary author { name bio } chapters { title } } } } }"}'
    with connect(served_database) as holder, connect(served_database, autocommit=True) as looking, ExitStack() as sent:
        holder.execute("LOCK TABLE stories_story")
        many = [sent.enter_context(Connection(impatient.place, whole(much))) for _ in range(MANY)]
        until(lambda: len(looking.execute(LOCKED).fetchall()) == 2, "two of them wait for the lock")
        with Connection(impatient.place, whole(b'{"query":"{ viewer { handle } }"}')) as quick:
            assert said(quick) == GOOD
        assert len(looking.execute(LOCKED).fetchall()) == 2
        holder.rollback()
        assert [said(one) for one in many] == [GOOD] * MANY


@pytest.mark.parametrize("requests", [1, 2])
def test_the_database_stops_when_the_client_has_gone(
    impatient: Served, served_database: str, transactional_db: None, requests: int
) -> None:
    """Of two queries that wait for a lock the later one ends first: nobody waits for its answer any more. So it is if the client
    has sent another one behind it.
    """
    body = b'{"query":"{ stories { edges { node { id } } } }"}'
    with connect(served_database) as holder, connect(served_database, autocommit=True) as looking:

        def waiting() -> set[int]:
            return {pid for (pid,) in looking.execute(LOCKED)}

        holder.execute("LOCK TABLE stories_story")
        with Connection(impatient.place, whole(body)) as patient:
            until(lambda: len(waiting()) == 1, "the first query waits")
            first = waiting()
            with Connection(impatient.place, whole(body) * requests):
                until(lambda: len(waiting()) == 2, "the second query waits")
            until(lambda: len(waiting()) < 2, "one of them has ended")
            assert waiting() == first
            holder.rollback()
            assert said(patient) == GOOD
