"""What a connection may cost: heads and bodies that trickle, silence, answers that nobody reads, thousands at once."""

import http.client
import json
import resource
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from tests.api import ApiClient
from tests.backend.raw import (
    CHUNKED,
    HEADERS,
    PATIENCE_SECONDS,
    QUERY,
    Connection,
    Served,
    said,
    served,
    whole,
)
from tests.depth import rounds, some
from tests.serving import until

GOOD = (200, None)
LATE = (408, "REQUEST_TIMEOUT")
LARGE = (413, "CONTENT_TOO_LARGE")
CLOSED = "katha_http_connections_closed_total"
SILENT_CLIENTS, MOST_CLIENTS = 3_000, 3_050
NINE_MB = 9 * 1024 * 1024
READS_AT_ONCE = 400_000
MANY_TIMES = 30
"""How often an answer has the same chapter."""


@pytest.fixture(scope="module")
def hasty(served_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that waits two seconds for everything."""
    log = tmp_path_factory.mktemp("hasty") / "log"
    seconds = dict.fromkeys(("HEAD_SECONDS", "BODY_SECONDS", "IDLE_SECONDS", "UNREAD_SECONDS"), "2")
    with served(served_database, log, **seconds) as found:
        yield found


@pytest.fixture(scope="module")
def crowded(served_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that takes few connections more than there are silent clients, and waits long for everything."""
    log = tmp_path_factory.mktemp("crowded") / "log"
    patience = {"HEAD_SECONDS": "3600", "BODY_SECONDS": "3600", "IDLE_SECONDS": "3600"}
    with served(served_database, log, KATHA_TEST_CONNECTIONS=str(MOST_CLIENTS), **patience) as found:
        yield found


# --- What takes too long ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [b"", whole(QUERY)], ids=["at once", "after another request"])
def test_half_a_head_is_not_waited_for_for_ever(hasty: Served, before: bytes) -> None:
    """It is told so, and the connection ends."""
    with Connection(hasty.place, before) as one:
        if before:
            assert said(one) == GOOD
        one.send(HEADERS[:-10])
        assert said(one) == LATE
        assert one.is_closed()


@pytest.mark.parametrize(
    "raw",
    [
        HEADERS + b"X-A: " + b"a" * 100_000,
        HEADERS + b"Content-Length: 100000\r\n\r\n",
        HEADERS + CHUNKED + b"100000\r\n",
    ],
    ids=["head", "body", "chunk"],
)
def test_what_trickles_is_not_waited_for_for_ever(hasty: Served, raw: bytes) -> None:
    """Byte by byte something always comes; it is told so all the same."""
    with Connection(hasty.place, raw) as one:
        over = threading.Event()

        def trickle() -> None:
            with suppress(OSError):
                while not over.wait(0.05):
                    one.send(b"a")

        thread = threading.Thread(target=trickle, daemon=True)
        thread.start()
        try:
            assert said(one) == LATE
        finally:
            over.set()
            thread.join(PATIENCE_SECONDS)


def test_who_says_nothing_is_left(hasty: Served) -> None:
    """Without an answer, and counted."""
    before = hasty.counted(CLOSED, cause="silent")
    with Connection(hasty.place) as one:
        assert one.is_closed()
    assert hasty.counted(CLOSED, cause="silent") == before + 1


def test_who_says_nothing_more_is_left(hasty: Served) -> None:
    """The connection has served, and is closed without an answer, and counted."""
    before = hasty.counted(CLOSED, cause="idle")
    with Connection(hasty.place, whole(QUERY)) as one:
        assert said(one) == GOOD
        assert one.is_closed()
    assert hasty.counted(CLOSED, cause="idle") == before + 1


# --- Answers that nobody reads ----------------------------------------------------------------------------------


@pytest.fixture
def large(transactional_db: None, asha: ApiClient) -> bytes:
    """A request whose answer has six megabytes."""
    story = asha.published_story()["id"]
    asha.append(story, body="a" * 199_000)
    fields = " ".join(
        f'a{n}: node(id: "{story}") {{ ... on Story {{ chapters {{ body }} }} }}' for n in range(MANY_TIMES)
    )
    return whole(json.dumps({"query": f"{{ {fields} }}"}).encode())


def test_who_never_reads_an_answer_is_left(hasty: Served, large: bytes) -> None:
    """Each is counted; what was kept for them is free again, so it does not grow by as much in each round."""
    held = []
    for _ in range(rounds(12, at_least=6)):
        before = hasty.counted(CLOSED, cause="unread")
        with ExitStack() as stack:
            for _ in range(4):
                stack.enter_context(Connection(hasty.place, large))
            until(lambda: hasty.counted(CLOSED, cause="unread") == before + 4, "all of them are left")  # noqa: B023
        held.append(hasty.memory())
    kept = (len(held) - 1) * 4 * 199_000 * MANY_TIMES
    assert (
        min(held[-2:]) < held[0] + kept * 2 / 3
    )  # memory is collected and given back when Python and the system like to


@pytest.mark.parametrize("ends", some([b"", b"Connection: close\r\n"], 1), ids=str)
def test_who_reads_slowly_gets_the_whole_answer(hasty: Served, large: bytes, ends: bytes) -> None:
    """Although it takes longer than anything may be idle or unread: something is read all the time."""
    raw = large.replace(b"Host:", ends + b"Host:")
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    one.settimeout(PATIENCE_SECONDS)
    with one:
        one.connect(hasty.place)
        one.sendall(raw)
        read = b""
        while b"\r\n\r\n" not in read:
            read += one.recv(1_000)
        head, _, body = read.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split()[0])
        assert length > 199_000 * MANY_TIMES
        size = len(body)
        while size < length:
            time.sleep(0.25)
            wanted = min(READS_AT_ONCE, length - size)
            piece = one.recv(wanted, socket.MSG_WAITALL)
            assert piece, f"closed after {size} of {length} bytes"
            size += len(piece)


# --- Many -------------------------------------------------------------------------------------------------------


@pytest.fixture
def many_files() -> Iterator[None]:
    """As many open files as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_connections_that_say_nothing_hold_up_nobody(crowded: Served, many_files: None) -> None:
    """Thousands; a probe is answered, a query, and a page. They are all open still."""
    before = crowded.counted(CLOSED, cause="full")
    with ExitStack() as stack:
        silent = [stack.enter_context(Connection(crowded.place)) for _ in range(SILENT_CLIENTS)]
        with urllib.request.urlopen(f"{crowded.address}/healthz", timeout=PATIENCE_SECONDS) as response:
            assert response.status == 200
        with Connection(crowded.place, whole(b'{"query":"{ viewer { handle } }"}')) as quick:
            assert said(quick) == GOOD
        assert crowded.counted(CLOSED, cause="full") == before
        for one in (silent[0], silent[-1]):
            one.send(whole(QUERY))
            assert said(one) == GOOD


def test_beyond_the_limit_the_one_that_has_waited_longest_makes_room(crowded: Served, many_files: None) -> None:
    """However many come; those that are served or have come later stay."""
    before = crowded.counted(CLOSED, cause="full")
    with ExitStack() as stack:
        busy = stack.enter_context(Connection(crowded.place, whole(QUERY)[:-1]))
        silent = [stack.enter_context(Connection(crowded.place)) for _ in range(MOST_CLIENTS - 1)]
        newest = [stack.enter_context(Connection(crowded.place, whole(QUERY))) for _ in range(20)]
        assert [said(one) for one in newest] == [GOOD] * 20
        assert all(one.is_closed() for one in silent[:20])
        silent[-1].send(whole(QUERY))
        busy.send(QUERY[-1:])
        assert [said(silent[-1]), said(busy)] == [GOOD] * 2
    with Connection(crowded.place, whole(QUERY)):
        assert crowded.counted(CLOSED, cause="full") >= before + 20


def test_where_all_are_served_nobody_makes_room(crowded: Served, many_files: None) -> None:
    """The new one is told when to come back."""
    with ExitStack() as stack:
        started = HEADERS + b"Content-Length: 10\r\n\r\n"
        for _ in range(MOST_CLIENTS):
            stack.enter_context(Connection(crowded.place, started))
        found = stack.enter_context(Connection(crowded.place)).answer()
        assert found is not None
        assert (found.status, found.code) == (503, "BUSY")
        retry = json.loads(found.body)["errors"][0]["extensions"]["retry"]
        assert int(found.headers["retry-after"]) == -(-retry["afterMs"] // 1_000) > 0


# --- Bodies that are too large, as clients send them ------------------------------------------------------------


class Body:
    """Nine megabytes, without a length."""

    def __init__(self) -> None:
        self._left = NINE_MB

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(NINE_MB // 65_536):
            yield b" " * 65_536


@pytest.fixture(scope="module")
def usual(served_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with the settings that everybody has."""
    with served(served_database, tmp_path_factory.mktemp("usual") / "log") as found:
        yield found


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "chunked"])
@pytest.mark.parametrize("attempt", range(8))
def test_a_client_that_sends_before_it_reads_hears_413(usual: Served, chunked: bool, attempt: int) -> None:
    """As Python's own do: they send all, and only then look for an answer."""
    one = http.client.HTTPConnection(*usual.place, timeout=PATIENCE_SECONDS)
    body: Any = Body() if chunked else b" " * NINE_MB
    one.request("POST", "/graphql", body, {"Content-Type": "application/json"}, encode_chunked=chunked)
    response = one.getresponse()
    assert (response.status, json.load(response)["errors"][0]["extensions"]["code"]) == LARGE
    one.close()


@pytest.mark.parametrize("attempt", range(8))
def test_urllib_hears_413(usual: Served, attempt: int) -> None:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{usual.address}/graphql", b" " * NINE_MB, headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=PATIENCE_SECONDS)
    assert (refused.value.code, json.load(refused.value)["errors"][0]["extensions"]["code"]) == LARGE


FETCH = """
const [address, size] = [process.argv[1], Number(process.argv[2])];
const headers = { "Content-Type": "application/json" };
const pieces = () => new ReadableStream({
  start(to) { for (let n = 0; n < size / 65536; n++) to.enqueue(new Uint8Array(65536)); to.close(); },
});
for (let n = 0; n < 8; n++) {
  for (const body of [" ".repeat(size), pieces()]) {
    const response = await fetch(address, { method: "POST", headers, body, duplex: "half" });
    console.log(response.status, (await response.json()).errors[0].extensions.code);
  }
}
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="asks node")
def test_fetch_hears_413(usual: Served) -> None:
    """Each time, with a length and in pieces."""
    command = ["node", "--input-type=module", "-e", FETCH, f"{usual.address}/graphql", str(NINE_MB)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert found.stdout.splitlines() == ["413 CONTENT_TOO_LARGE"] * 16, found.stderr


@pytest.mark.parametrize("size", [NINE_MB, 99 * 1024 * 1024])
def test_who_asks_first_hears_413_and_sends_nothing(usual: Served, size: int) -> None:
    """A client that expects 100 Continue."""
    raw = HEADERS + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % size
    with Connection(usual.place, raw) as one:
        head = one.socket.recv(12, socket.MSG_PEEK)
        assert head == b"HTTP/1.1 413"
        assert said(one) == LARGE
        assert one.is_closed()


def test_who_asks_first_is_told_to_go_on(usual: Served) -> None:
    """Where the body is welcome."""
    with Connection(usual.place, HEADERS + b"Expect: 100-continue\r\nContent-Length: 26\r\n\r\n") as one:
        assert one.socket.recv(25, socket.MSG_WAITALL) == b"HTTP/1.1 100 Continue\r\n\r\n"
        one.send(QUERY)
        assert said(one) == GOOD
