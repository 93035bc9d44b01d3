"""Requests as they come over a real connection: slowly, cut short, in pieces, twice as long as they say, and given up."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlparse

import pytest
from psycopg import connect

from tests.serving import serving, until

QUERY = b'{"query":"{ __typename }"}'
HEADERS = b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
CUT_SHORT = (HEADERS + CHUNKED + b"1a\r\n" + QUERY + b"\r\n", HEADERS + b"Content-Length: 27\r\n\r\n" + QUERY)
"""What has come of both can be read as a request."""
CLOSED = (0, None)
SLOW_CLIENTS = 40
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
