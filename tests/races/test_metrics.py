"""What a real server of two processes says at /metrics is what its clients counted, whatever happened to them."""

import http.client
import json
import os
import random
import signal
import subprocess
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from schema.nodes import to_id
from tests import depth
from tests.api import ApiClient
from tests.races.rivals import my_pid
from tests.races.rows import query
from tests.serving import Process, serving, until

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE, DEVICES, MUTATIONS, BATCH = 6, 8, depth.rounds(10_000, at_least=2_000), 10
PAUSE_SECONDS = 0.2

PAIR = {"person": "ID!", "expect": "Expect!", "key": "UUID"}
FIELDS = {
    **dict.fromkeys(("follow", "unfollow", "block", "unblock"), (PAIR, "RelationshipSuccess")),
    "updateProfile": ({"patch": "ProfilePatch!", "expect": "Expect!", "key": "UUID"}, "ProfileSuccess"),
    "appendChapter": ({"story": "ID!", "chapter": "ChapterInput!", "key": "UUID!"}, "ChapterSuccess"),
    "recordView": (
        {"story": "ID!", "policy": "PlacePolicy!", "expect": "Expect!", "key": "UUID"},
        "ReadingSuccess",
    ),
}


def document(field: str) -> str:
    """The mutation `BATCH` times, showing what is counted and nothing that is looked up after its commit."""
    given, success = FIELDS[field]
    declared = ", ".join(f"${name}{n}: {type_}" for n in range(BATCH) for name, type_ in given.items())
    shown = f"__typename ... on {success} {{ applied }} ... on Failure {{ code }}"
    conflict = "... on ConflictError { current { __typename } }" if "expect" in given else ""
    fields = [
        f"m{n}: {field}({', '.join(f'{name}: ${name}{n}' for name in given)}) {{ {shown} {conflict} }}"
        for n in range(BATCH)
    ]
    return f"mutation ({declared}) {{ {' '.join(fields)} }}"


DOCUMENTS = {field: document(field) for field in FIELDS}

Given = dict[str, Any]


class Client:
    """Somebody who does a bit of everything, sometimes twice with one key, and counts what came of it."""

    def __init__(self, address: str, number: int, people: list[ApiClient], story: str) -> None:
        self.connection = http.client.HTTPConnection(address.removeprefix("http://"))
        self.chance = random.Random(number)
        self.people, self.story = people, story
        self.heard: Counter[tuple[str, ...]] = Counter()

    def act(self) -> None:
        """`BATCH` mutations in one request."""
        field = self.chance.choice(list(FIELDS))
        token = self.chance.choice(self.people).token if self.chance.random() < 0.95 else None
        given = [self.something(field) for _ in range(BATCH)]
        for n in range(1, BATCH):
            if self.chance.random() < 0.1:
                given[n] = given[n - 1]
        answers = self.post(field, given, token)
        for n in range(BATCH):
            self.count(field, given[n], answers[f"m{n}"])

    def something(self, field: str) -> Given:
        chance = self.chance
        version = {"version": str(chance.choice([0, 0, 1, 2, 3, 5, 8, 13]))}
        some = uuid.UUID(int=chance.getrandbits(128), version=4)
        given = {
            "person": chance.choice(self.people).id if chance.random() < 0.9 else to_id("Person", some),
            "expect": {"current": True} if chance.random() < 0.2 else version,
            "key": str(some),
            "patch": {"bio": f"Bio {chance.random()}"},
            "story": self.story,
            "chapter": {"title": "One more" if chance.random() < 0.8 else "", "body": "."},
            "policy": "FURTHEST",
        }
        return {name: given[name] for name in FIELDS[field][0]}

    def post(self, field: str, given: list[Given], token: str | None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        variables = {f"{name}{n}": value for n, one in enumerate(given) for name, value in one.items()}
        body = json.dumps({"query": DOCUMENTS[field], "variables": variables})
        self.connection.request("POST", "/graphql", body, headers)
        answer = json.load(self.connection.getresponse())
        assert "errors" not in answer, answer
        found: dict[str, Any] = answer["data"]
        return found

    def count(self, field: str, given: Given, answer: dict[str, Any]) -> None:
        """By the definitions of docs/operations.md."""
        code = answer.get("code")
        outcome = {None: "committed", "BUSY": "rolled_back", "OUTCOME_UNKNOWN": "unknown"}.get(code, "refused")
        self.heard["katha_transactions_total", field, outcome] += 1
        if code is not None:
            self.heard["katha_refusals_total", field, code] += 1
        if code == "CONFLICT":
            self.heard["katha_conflicts_total", field, answer["current"]["__typename"]] += 1
        if answer.get("applied") == "REPLAYED":
            self.heard["katha_replays_total", field] += 1
        if answer.get("applied") in ("WRITTEN", "MERGED") and given.get("expect", {}).get("current"):
            self.heard["katha_unconditioned_writes_total", field] += 1


COUNTED = {
    "katha_transactions_total": ("operation", "outcome"),
    "katha_refusals_total": ("operation", "code"),
    "katha_conflicts_total": ("operation", "type"),
    "katha_replays_total": ("operation",),
    "katha_unconditioned_writes_total": ("operation",),
}


def heard_by(clients: list[Client]) -> Counter[tuple[str, ...]]:
    return sum((client.heard for client in clients), Counter[tuple[str, ...]]())


def samples(address: str) -> Iterator[Any]:
    with urllib.request.urlopen(f"{address}/metrics") as response:
        text = response.read().decode()
    for family in text_string_to_metric_families(text):
        yield from family.samples


def counted(address: str) -> Counter[tuple[str, ...]]:
    """What /metrics says, as clients count it."""
    found: Counter[tuple[str, ...]] = Counter()
    for sample in samples(address):
        if sample.name in COUNTED and sample.value:
            found[sample.name, *(sample.labels[label] for label in COUNTED[sample.name])] = int(sample.value)
    return found


def one(address: str, name: str, **labels: str) -> float:
    (value,) = (sample.value for sample in samples(address) if (sample.name, sample.labels) == (name, labels))
    return float(value)


def workers_of(process: Process) -> set[int]:
    """The processes that answer requests: those of the server's children that are no group of their own have ended."""
    listed = subprocess.run(["ps", "-o", "pid=,stat=", "--ppid", str(process.pid)], capture_output=True, text=True)
    rows = [line.split() for line in listed.stdout.splitlines()]
    return {int(pid) for pid, state in rows if not state.startswith("Z")}


@pytest.fixture
def own_server(served_database: str) -> Iterator[tuple[str, Process]]:
    """One of two processes that nobody else has asked anything."""
    with serving(served_database, workers=2) as started:
        yield started


END_ONE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user
AND pid NOT IN (%s, pg_backend_pid()) ORDER BY state = 'idle', random() LIMIT 1
"""


def test_metrics_are_what_clients_counted(own_server: tuple[str, Process], person: Callable[[str], ApiClient]) -> None:
    """Thousands of mutations with conflicts, replays, refusals, and connections that break; then a worker is killed."""
    address, process = own_server
    people = [person(f"person{n}") for n in range(PEOPLE)]
    story = people[0].published_story()["id"]
    clients = [Client(address, number, people, story) for number in range(DEVICES)]
    main = my_pid()

    def act(client: Client) -> None:
        for _ in range(MUTATIONS // DEVICES // BATCH):
            client.act()

    with ThreadPoolExecutor(DEVICES) as devices:
        acting = [devices.submit(act, client) for client in clients]
        while wait(acting, timeout=PAUSE_SECONDS).not_done:
            query(END_ONE, main)
        for one_acting in acting:
            one_acting.result()
    heard = heard_by(clients)
    assert sum(count for (name, *_), count in heard.items() if name == "katha_transactions_total") == MUTATIONS
    for outcome in ("committed", "refused", "rolled_back"):
        assert any(key[2] == outcome for key in heard if key[0] == "katha_transactions_total"), outcome
    assert {key[2] for key in heard if key[0] == "katha_conflicts_total"} >= {"Relationship", "Person"}
    assert {name for name, *_ in heard} == set(COUNTED)
    assert counted(address) == heard
    seconds = sum(sample.value for sample in samples(address) if sample.name == "katha_mutation_seconds_count")
    assert seconds == MUTATIONS

    requests = one(address, "katha_http_requests_total", status="2xx")
    assert requests >= MUTATIONS / BATCH
    before = workers_of(process)
    os.kill(min(before), signal.SIGKILL)
    until(lambda: len(workers_of(process) - before) == 1, "the server has another worker")
    assert counted(address) == heard
    for _ in range(depth.rounds(50, at_least=10)):
        clients[0].connection.close()
        clients[0].act()
    assert counted(address) == heard_by(clients)
    assert one(address, "katha_http_requests_total", status="2xx") >= requests + depth.rounds(50, at_least=10)
    assert one(address, "katha_threads_busy") == 1
    assert one(address, "katha_threads") == 24
