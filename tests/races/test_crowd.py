"""A crowd at one moment: each on a connection of its own, each served within the retries it is told, and nothing in silence."""

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from backend.engine.transactions import unit_of_work
from backend.people import actions
from backend.social.models import Relationship
from backend.stories.actions import make_shelf
from schema.nodes import to_id
from tests.api import PASSWORD, ApiClient
from tests.backend.raw import Served, served
from tests.depth import rounds, some
from tests.races.rows import assert_sound, query

pytestmark = pytest.mark.django_db(transaction=True)

CROWD = rounds(500, at_least=120)
SIGN_UPS = rounds(60, at_least=30)
MOST_RETRIES = 10
LATEST_MS = 33_000
FOLLOW = """
mutation($p: ID!, $k: UUID!) { follow(person: $p, expect: {version: "0"}, key: $k) {
  ... on RelationshipSuccess { applied } ... on Failure { code retry { afterMs } } } }
"""
SIGN_UP = """
mutation($h: String!, $p: String!) { signUp(handle: $h, name: $h, password: $p) {
  __typename ... on Failure { code retry { afterMs } } } }
"""


@dataclass
class Heard:
    """What the clients were told."""

    statuses: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    waits: list[int] = field(default_factory=list)
    """In milliseconds."""
    retries: Counter[int] = field(default_factory=Counter)
    """How many clients needed so many."""


class Client:
    """Somebody with one connection, who waits as told and sends the same again."""

    def __init__(self, host: str, port: int, token: str | None, heard: Heard) -> None:
        self._place, self._token, self._heard = (host, port), token, heard

    async def connect(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(*self._place)

    async def insist(self, text: str, **variables: Any) -> None:
        """Send it until it is served."""
        for retries in range(MOST_RETRIES + 1):
            status, headers, answer = await self._post(text, variables)
            self._heard.statuses[status] += 1
            wait_ms = self._told(status, headers, answer)
            if wait_ms is None:
                self._heard.retries[retries] += 1
                return
            self._heard.waits.append(wait_ms)
            await asyncio.sleep(wait_ms / 1_000)
        raise AssertionError(f"it is not served after {MOST_RETRIES} retries: {self._heard}")

    def _told(self, status: int, headers: dict[str, str], answer: Any) -> int | None:
        """How long to wait; None for who is served."""
        if status == 503:
            said = answer["errors"][0]["extensions"]
            assert int(headers["retry-after"]) == ceil(said["retry"]["afterMs"] / 1_000)
        else:
            assert status == 200, answer
            assert "errors" not in answer or answer["errors"][0]["extensions"]["code"] == "BUSY", answer
            said = answer["errors"][0]["extensions"] if "errors" in answer else next(iter(answer["data"].values()))
        if "code" not in said:
            return None
        assert said["code"] in ("BUSY", "RATE_LIMITED"), answer
        self._heard.codes[f"{status} {said['code']}"] += 1
        after_ms: int = said["retry"]["afterMs"]
        assert 50 <= after_ms <= LATEST_MS
        return after_ms

    async def _post(self, text: str, variables: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        body = json.dumps({"query": text, "variables": variables}).encode()
        lines = ["POST /graphql HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
        lines += [f"Content-Length: {len(body)}", *([f"Authorization: Bearer {self._token}"] if self._token else [])]
        self._writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        answer = json.loads(await self._reader.readexactly(int(headers["content-length"])))
        return int(head[0].split()[1]), headers, answer

    def close(self) -> None:
        self._writer.close()


async def press(clients: list[Client], act: Callable[[int, Client], Awaitable[None]]) -> None:
    """All connect; then all act at once."""
    await asyncio.gather(*(client.connect() for client in clients))
    try:
        await asyncio.gather(*(act(n, client) for n, client in enumerate(clients)))
    finally:
        for client in clients:
            client.close()


@contextmanager
def counted(server: Served, *clients: Heard) -> Iterator[None]:
    """What the clients hear inside is what the server counts, and it has logged each refusal."""
    before = server.metrics()
    yield
    after = server.metrics()
    statuses = sum((one.statuses for one in clients), Counter())
    codes = sum((one.codes for one in clients), Counter())

    def more(name: str, **labels: str) -> float:
        key = (name, *sorted(labels.items()))
        return after[key] - before[key]

    scrapes = 1  # the first; the second has not ended yet when it looks
    assert more("katha_http_requests_total", status="2xx") == statuses[200] + scrapes
    assert more("katha_http_requests_total", status="5xx") == statuses[503]
    assert more("katha_http_requests_total", status="4xx") == 0
    assert more("katha_rejected_requests_total", code="BUSY") == codes["503 BUSY"]
    assert more("katha_rate_limited_total", limit="hashing") == codes["200 RATE_LIMITED"]
    assert more("katha_http_clients_left_total") == 0


def logged(server: Served) -> Counter[str]:
    """How often the server has logged what, when it has ended."""
    found: Counter[str] = Counter()
    for line in server.lines():
        found[line["event"]] += line.get("times", 1)
    return found


def people(count: int) -> list[str]:
    """So many new people's tokens."""

    def work() -> list[str]:
        accounts = [actions.sign_up(handle=f"person{n}", name=f"Person {n}", password=PASSWORD) for n in range(count)]
        for account in accounts:
            make_shelf(account.pk)
        return [actions.new_token(account) for account in accounts]

    return unit_of_work(work)


@pytest.mark.parametrize("seconds", some(["1", "10"], 1))
def test_a_crowd_that_follows_one_person_is_served_to_the_last(
    served_database: str, tmp_path: Path, asha: ApiClient, seconds: str
) -> None:
    """Within the retries that are told, each exactly once; metrics and log add up to what the clients were told."""
    tokens, heard = people(CROWD), Heard()
    assert asha.person is not None
    person = to_id("Person", asha.person.pk)
    with served(served_database, tmp_path / "log", workers=2, REQUEST_SECONDS=seconds) as server:
        clients = [Client(*server.place, token, heard) for token in tokens]
        with counted(server, heard):
            asyncio.run(press(clients, lambda _n, one: one.insist(FOLLOW, p=person, k=str(uuid.uuid4()))))
    assert sum(heard.retries.values()) == CROWD
    assert logged(server)["turned away"] == heard.codes["503 BUSY"]
    assert logged(server)["busy"] == heard.codes["200 BUSY"]
    count = "query ($p: ID!) { node(id: $p) { ... on Person { followerCount } } }"
    assert ApiClient().ask(count, p=person) == {"node": {"followerCount": CROWD}}
    assert query("SELECT count(*), count(DISTINCT follower_id) FROM follow WHERE followee_id = %s", asha.person.pk) == [
        (CROWD, CROWD)
    ]
    assert Relationship.objects.count() == CROWD
    assert_sound()


def test_a_crowd_that_signs_up_is_told_to_come_back_spread_over_time(
    served_database: str, tmp_path: Path, transactional_db: None
) -> None:
    """In the mutation's own type; others are served meanwhile. Each has an account in the end."""
    heard, quick = Heard(), Heard()
    slow = {"KATHA_TEST_SLOW_HASHES": "1", "REQUEST_SECONDS": "5"}
    with served(served_database, tmp_path / "log", workers=2, **slow) as server:
        clients = [Client(*server.place, None, heard) for _ in range(SIGN_UPS)]
        other = Client(*server.place, None, quick)

        async def both() -> None:
            await other.connect()
            crowd = asyncio.ensure_future(press(clients, lambda n, one: one.insist(SIGN_UP, h=f"new{n}", p=PASSWORD)))
            while not crowd.done():
                await other.insist("{ stories(first: 1) { edges { cursor } } }")
                await asyncio.sleep(0.05)
            await crowd
            other.close()

        with counted(server, heard, quick):
            asyncio.run(both())
    assert sum(heard.retries.values()) == SIGN_UPS
    if len(heard.waits) > SIGN_UPS / 4:  # a quick machine may serve nearly all at once
        assert max(heard.waits) - min(heard.waits) > 500
    assert logged(server)["rate limited"] == heard.codes["200 RATE_LIMITED"]
    assert query("SELECT count(*) FROM people_account WHERE login LIKE 'new%%'") == [(SIGN_UPS,)]
