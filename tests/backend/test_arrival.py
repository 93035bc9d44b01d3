"""Requests as they come over a real connection: slowly, cut short, in pieces, twice as long as they say, and given up."""

import asyncio
import json
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from urllib.parse import urlparse

import pytest
from psycopg import connect

from schema.execution.problems import Problem
from schema.server.arrival import SMALL, Memory, Room, body_of
from tests.serving import serving, until

QUERY = b'{"query":"{ __typename }"}'
HEADERS = b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
CUT_SHORT = (HEADERS + CHUNKED + b"1a\r\n" + QUERY + b"\r\n", HEADERS + b"Content-Length: 27\r\n\r\n" + QUERY)
"""What has come of both can be read as a request."""
CLOSED = (0, None)
SLOW_CLIENTS = 40
SILENT_CLIENTS = 1_200
MANY = 10
LOCKED = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.fixture(scope="module")
def impatient(served_database: str) -> Iterator[tuple[str, int]]:
    """A server that waits a second for a body, and an hour for an answer; its host and port."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BODY_SECONDS", "1")
        patch.setenv("REQUEST_SECONDS", "3600")
        with serving(served_database, workers=1) as (address, _process):
            place = urlparse(address)
            assert place.hostname is not None
            assert place.port is not None
            yield place.hostname, place.port


def send(place: tuple[str, int], raw: bytes) -> socket.socket:
    """A connection on which this was sent."""
    one = socket.create_connection(place, timeout=30)
    one.sendall(raw)
    return one


def answer(one: socket.socket) -> tuple[int, str | None]:
    """The status that comes back, and the code of the error if the body says one."""
    raw = b""
    while b"\r\n\r\n" not in raw or (b"{" in raw and not raw.rstrip().endswith(b"}")):
        piece = one.recv(65_536)
        if not piece:
            break
        raw += piece
    if not raw:
        return CLOSED
    head, _, body = raw.partition(b"\r\n\r\n")
    said = json.loads(body) if body.startswith(b"{") else {}
    return int(head.split()[1]), said["errors"][0]["extensions"]["code"] if "errors" in said else None


def whole(body: bytes) -> bytes:
    """A request with this body."""
    return HEADERS + b"Content-Length: %d\r\n\r\n" % len(body) + body


def test_slow_clients_hold_up_nobody(impatient: tuple[str, int]) -> None:
    """Many more than there are threads; each is told 408 in the end."""
    slow = [send(impatient, HEADERS + b"Content-Length: 30\r\n\r\n" + QUERY) for _ in range(SLOW_CLIENTS)]
    with closing(send(impatient, whole(QUERY))) as quick:
        assert answer(quick) == (200, None)
    assert [answer(one) for one in slow] == [(408, "REQUEST_TIMEOUT")] * SLOW_CLIENTS


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (HEADERS + CHUNKED + b"1a\r\n" + QUERY + b"\r\n0\r\n\r\n", (200, None)),
        (CUT_SHORT[0], (408, "REQUEST_TIMEOUT")),
        (HEADERS + CHUNKED + b"zz\r\n" + QUERY + b"\r\n0\r\n\r\n", (400, "BAD_REQUEST")),
        (HEADERS + CHUNKED + b"900000\r\n" + b" " * 0x900000, (413, "CONTENT_TOO_LARGE")),
        (HEADERS + b"Content-Length: 99999999\r\n\r\n", (413, "CONTENT_TOO_LARGE")),
        (CUT_SHORT[1], (408, "REQUEST_TIMEOUT")),
        (HEADERS + b"Content-Length: 26\r\nContent-Length: 5\r\n\r\n" + QUERY, (400, None)),
        (HEADERS + b"Content-Length: -1\r\n\r\n" + QUERY, (400, None)),
        (HEADERS + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", (400, None)),
        (
            HEADERS + b"Transfer-Encoding: gzip, " + CHUNKED[19:] + b"1a\r\n" + QUERY + b"\r\n0\r\n\r\n",
            (400, "BAD_REQUEST"),
        ),
        (HEADERS + b"Transfer-Encoding: chunked\r\n" + CHUNKED + b"0\r\n\r\n", (400, "BAD_REQUEST")),
        (whole(QUERY).replace(b"Host:", b"Host: a\r\nHost:"), (400, "BAD_REQUEST")),
        (whole(QUERY).replace(b"localhost", b"evil@localhost"), (400, "BAD_REQUEST")),
        (whole(QUERY).replace(b"localhost", b"a b"), (400, "BAD_REQUEST")),
        (whole(QUERY).replace(b"localhost", b"[::1]:8000"), (200, None)),
        (whole(QUERY).replace(b" /graphql ", b" graphql "), (400, "BAD_REQUEST")),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", (400, "BAD_REQUEST")),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", CLOSED),
        (whole(QUERY).replace(b"Host: localhost\r\n", b""), (400, "BAD_REQUEST")),
        (whole(QUERY).replace(b"Host:", b"X-A: \0\r\nHost:"), (400, None)),
        (whole(QUERY).replace(b"Host:", b"X-A: %s\r\nHost:" % (b"a" * 1_000_000)), (431, None)),
        (b"GET /graphql?query=" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", (414, None)),
    ],
    ids=lambda value: str(value)[80:120],
)
def test_a_request_is_whole_and_unambiguous(
    impatient: tuple[str, int], raw: bytes, expected: tuple[int, str | None]
) -> None:
    """Cut short is not whole even where what came could be read."""
    with closing(send(impatient, raw)) as one:
        assert answer(one) == expected


@pytest.mark.parametrize("raw", CUT_SHORT, ids=["chunked", "with a length"])
def test_what_is_cut_short_is_not_served(impatient: tuple[str, int], raw: bytes) -> None:
    """The server may still say so, or find the connection closed."""
    with closing(send(impatient, raw)) as one:
        one.shutdown(socket.SHUT_WR)
        assert answer(one) in ((400, "BAD_REQUEST"), CLOSED)


def test_connections_that_say_nothing_hold_up_nobody(impatient: tuple[str, int]) -> None:
    """Far more of them than requests that a process answers at a time."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with ExitStack() as silent:
            for _ in range(SILENT_CLIENTS):
                silent.enter_context(closing(send(impatient, b"")))
            with closing(send(impatient, whole(QUERY))) as quick:
                assert answer(quick) == (200, None)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@dataclass(frozen=True)
class Headers:
    """Those that say where a body ends, as granian gives them."""

    coding: str | None
    length: str | None

    def get(self, name: str) -> str | None:
        return {"content-length": self.length}[name]

    def get_all(self, name: str) -> list[str]:
        found = {"transfer-encoding": self.coding}[name]
        return [] if found is None else [found]


class Pieces:
    """A body that arrives in these pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


@pytest.mark.parametrize("length", [None, 3 * SMALL])
def test_large_bodies_share_the_memory(length: int | None) -> None:
    """Who finds no room is told to wait; what the others held is there again once they are answered. Small ones need none."""
    memory = Memory(3 * SMALL)
    one, other = Room(memory), Room(memory)
    headers = Headers("chunked", None) if length is None else Headers(None, str(length))
    large = Pieces(*[b"x" * SMALL] * 3)
    assert asyncio.run(body_of(headers, large, one)) == b"x" * 3 * SMALL
    with pytest.raises(Problem) as refused:
        asyncio.run(body_of(headers, large, other))
    assert (refused.value.status, refused.value.code) == (503, "BUSY")
    small = Room(memory)
    small.hold(SMALL)
    for room in (one, other, small):
        room.leave()
    assert memory.free == 3 * SMALL
    assert asyncio.run(body_of(headers, large, other)) == b"x" * 3 * SMALL


def test_who_asks_for_much_holds_up_nobody_else(
    impatient: tuple[str, int], served_database: str, transactional_db: None
) -> None:
    """More such queries than there are threads, all of which wait for a lock: two of them do, the rest for their turn."""
    much = b'{"query":"{ stories(first: 100) { edges { node { title summary author { name bio } chapters { title } } } } }"}'
    with connect(served_database) as holder, connect(served_database, autocommit=True) as looking, ExitStack() as sent:
        holder.execute("LOCK TABLE stories_story")
        many = [sent.enter_context(closing(send(impatient, whole(much)))) for _ in range(MANY)]
        until(lambda: len(looking.execute(LOCKED).fetchall()) == 2, "two of them wait for the lock")
        with closing(send(impatient, whole(b'{"query":"{ viewer { handle } }"}'))) as quick:
            assert answer(quick) == (200, None)
        assert len(looking.execute(LOCKED).fetchall()) == 2
        holder.rollback()
        assert [answer(one) for one in many] == [(200, None)] * MANY


def test_the_database_stops_when_the_client_has_gone(
    impatient: tuple[str, int], served_database: str, transactional_db: None
) -> None:
    """Of two queries that wait for a lock the later one ends first: nobody waits for its answer any more."""
    body = b'{"query":"{ stories { edges { node { id } } } }"}'
    with connect(served_database) as holder, connect(served_database, autocommit=True) as looking:

        def waiting() -> set[int]:
            return {pid for (pid,) in looking.execute(LOCKED)}

        holder.execute("LOCK TABLE stories_story")
        with closing(send(impatient, whole(body))) as patient:
            until(lambda: len(waiting()) == 1, "the first query waits")
            first = waiting()
            with closing(send(impatient, whole(body))):
                until(lambda: len(waiting()) == 2, "the second query waits")
            until(lambda: len(waiting()) < 2, "one of them has ended")
            assert waiting() == first
            holder.rollback()
            assert answer(patient) == (200, None)
