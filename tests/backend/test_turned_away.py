"""Nobody is turned away in silence: wherever it is decided, it is counted once and leaves one line in the log."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.backend.raw import CHUNKED, HEADERS, QUERY, Answered, Connection, Served, served, whole
from tests.logged import Logged
from tests.schema.lanes import taken
from tests.schema.raw_http import post
from tests.serving import until

MOST_CLIENTS, MEMORY = 40, 100_000
OWN = "127.0.0.2"
"""An address whose allowance is its own."""


@pytest.fixture(scope="module")
def strict(served_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that allows little of everything."""
    environment = {
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "COST_A_MINUTE": "100",
        "HEAD_SECONDS": "2",
        "BODY_SECONDS": "2",
        "KATHA_TEST_CONNECTIONS": str(MOST_CLIENTS),
        "KATHA_TEST_MAX_BODY_MEMORY": str(MEMORY),
    }
    with served(served_database, tmp_path_factory.mktemp("strict") / "log", **environment) as found:
        yield found


def asked(method: str, path: str, *lines: str, body: bytes = b"", host: str = "localhost") -> bytes:
    """A request for anything."""
    head = "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}", *lines])
    return head.encode() + b"\r\n\r\n" + body


JSON = "Content-Type: application/json"
FORM = ("Content-Type: application/x-www-form-urlencoded", f"Cookie: csrftoken={'a' * 32}")
CASES: dict[str, tuple[int, str, bytes]] = {
    "400 protocol": (400, "BAD_REQUEST", b"hello\r\n\r\n"),
    "400 body": (400, "BAD_REQUEST", HEADERS + CHUNKED + b"zz\r\n"),
    "400 arrival": (400, "BAD_REQUEST", whole(QUERY).replace(b"Host:", b"Host: a\r\nHost:")),
    "400 graphql": (400, "BAD_REQUEST", whole(b"{")),
    "400 members": (400, "BAD_REQUEST", asked("GET", "/graphql?query=a" + "&a=1" * 1_100)),
    "400 page": (400, "BAD_REQUEST", asked("POST", "/admin/login/", *FORM, body=b"a=1&" * 1_100)),
    "403 graphql": (403, "FORBIDDEN", asked("POST", "/graphql", JSON, "Cookie: sessionid=a", body=QUERY)),
    "403 page": (403, "FORBIDDEN", asked("POST", "/admin/login/", FORM[0], body=b"a=1")),
    "404 page": (404, "NOT_FOUND", asked("GET", "/nothing")),
    "404 static": (404, "NOT_FOUND", asked("GET", "/static/nothing.js")),
    "405 graphql": (405, "METHOD_NOT_ALLOWED", asked("DELETE", "/graphql", JSON, body=QUERY)),
    "405 mutation": (405, "METHOD_NOT_ALLOWED", asked("GET", "/graphql?query=mutation%7BsignOut%7D")),
    "405 page": (405, "METHOD_NOT_ALLOWED", asked("POST", "/schema.graphql")),
    "405 static": (405, "METHOD_NOT_ALLOWED", asked("POST", "/static/explorer/home.css")),
    "406 graphql": (406, "NOT_ACCEPTABLE", asked("POST", "/graphql", JSON, "Accept: text/plain", body=QUERY)),
    "408 protocol": (408, "REQUEST_TIMEOUT", HEADERS),
    "408 arrival": (408, "REQUEST_TIMEOUT", whole(QUERY)[:-1]),
    "413 arrival": (413, "CONTENT_TOO_LARGE", HEADERS + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n"),
    "413 page": (413, "CONTENT_TOO_LARGE", asked("POST", "/", "Expect: 100-continue").replace(b": 0", b": 99999999")),
    "414 protocol": (414, "URI_TOO_LONG", asked("GET", "/" + "a" * 70_000)),
    "415 graphql": (415, "UNSUPPORTED_MEDIA_TYPE", asked("POST", "/graphql", "Content-Type: text/plain", body=QUERY)),
    "421 graphql": (421, "MISDIRECTED_REQUEST", whole(QUERY).replace(b"localhost", b"elsewhere")),
    "421 page": (421, "MISDIRECTED_REQUEST", asked("GET", "/", host="elsewhere")),
    "431 protocol": (431, "HEADERS_TOO_LARGE", asked("GET", "/", "X-A: " + "a" * 140_000)),
    "503 memory": (503, "BUSY", whole(b" " * 2 * MEMORY)),
}


def lines_of(server: Served, found: Answered) -> list[dict[str, Any]]:
    """The lines in the log about the request that was answered so, without Django's own."""
    lines = [line for line in server.lines() if line["logger"] == "katha"]
    return [line for line in lines if line.get("request_id") == found.headers["x-request-id"]]


def of_status(status: int) -> str:
    """The label of the metric of requests."""
    return f"{status // 100}xx"


def expect_one(server: Served, ask: Callable[[], Answered | None], status: int, code: str, event: str) -> None:
    """The answer is this one; it is counted once, also by its status, and logged once."""
    before = server.metrics()
    found = ask()
    assert found is not None
    assert (found.status, found.code) == (status, code)
    after = server.metrics()
    rejected = ("katha_rejected_requests_total", ("code", code))
    assert after[rejected] == before[rejected] + 1
    assert sum(value for key, value in (after - before).items() if key[0] == rejected[0]) == 1
    requests = ("katha_http_requests_total", ("status", of_status(status)))
    assert after[requests] == before[requests] + 1
    until(lambda: bool(lines_of(server, found)), "it is logged")
    (line,) = lines_of(server, found)
    assert (line["event"], line["code"], line.get("times", 1)) == (event, code, 1)
    assert line["level"] == ("warning" if status in (429, 503) else "info")
    if status in (429, 503):
        assert int(found.headers["retry-after"]) > 0


@pytest.mark.parametrize("case", CASES)
def test_what_is_turned_away_is_counted_and_logged(strict: Served, case: str) -> None:
    """Once each. The answer has the id under which the log has it."""
    status, code, raw = CASES[case]

    def ask() -> Answered | None:
        with Connection(strict.place, raw, source="127.0.0.3") as one:
            return one.answer()

    expect_one(strict, ask, status, code, "turned away")


def test_who_is_served_is_not_counted_as_turned_away(strict: Served) -> None:
    """Neither are those who send a cookie that is not ours, without the token that ours would need."""
    before = strict.metrics()
    with Connection(strict.place, asked("POST", "/graphql", JSON, "Cookie: theme=dark", body=QUERY)) as one:
        found = one.answer()
    assert found is not None
    assert found.status == 200
    more = strict.metrics() - before
    assert not [key for key in more if key[0] == "katha_rejected_requests_total"]
    assert not lines_of(strict, found)


def test_whose_allowance_is_used_up_is_counted_and_logged(strict: Served) -> None:
    query = whole(b'{"query":"{ stories(first: 20) { edges { cursor } } }"}')
    with Connection(strict.place, source=OWN) as one:

        def ask() -> Answered | None:
            one.send(query)
            return one.answer()

        found = ask()  # it is new, and to plan it costs more than a minute's allowance
        assert found is not None
        assert found.status == 200
        expect_one(strict, ask, 429, "RATE_LIMITED", "rate limited")


def open_files(process: int) -> int:
    """How many this process has open, connections among them."""
    return len(list((Path("/proc") / str(process) / "fd").iterdir()))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at files where Linux shows them")
def test_who_finds_no_connection_is_counted_and_logged(strict: Served) -> None:
    """All others have begun a request."""

    def ask() -> Answered | None:
        with ExitStack() as stack:
            for _ in range(MOST_CLIENTS):
                stack.enter_context(Connection(strict.place, whole(QUERY)[:-1]))
            return stack.enter_context(Connection(strict.place)).answer()

    before = strict.metrics()
    (server,) = strict.forks()
    files = open_files(server)
    found = ask()
    assert found is not None
    assert (found.status, found.code) == (503, "BUSY")
    until(
        lambda: open_files(server) <= files, "the connections have ended there too, so that there is one for the scrape"
    )
    until(lambda: bool(lines_of(strict, found)), "it is logged")
    (line,) = lines_of(strict, found)
    assert (line["event"], line["cause"]) == ("turned away", "connections")
    busy = ("katha_rejected_requests_total", ("code", "BUSY"))
    assert strict.metrics()[busy] == before[busy] + 1


@pytest.mark.django_db(transaction=True)
def test_who_finds_no_slot_is_counted_and_logged(logged: Logged) -> None:
    """With the lane as the cause."""
    dear = {"query": "{ stories(first: 100) { edges { node { title author { name } chapters { title } } } } }"}
    with taken(full={"expensive"}):
        response = post(dear)
    assert response.status_code == 503
    (line,) = logged.all_lines()
    assert (line["event"], line["code"], line["cause"], line["level"]) == (
        "turned away",
        "BUSY",
        "expensive",
        "warning",
    )
    assert line["request_id"] == response["X-Request-Id"]
    assert json.loads(response.content)["errors"][0]["extensions"]["code"] == "BUSY"
