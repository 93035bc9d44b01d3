"""A real server of two processes whose database connections are ended all the time: every acknowledged write is there, once."""

import json
import threading
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from backend.social.models import Relationship
from backend.stories.models import Chapter, Shelf, Story
from tests.api import ApiClient
from tests.races.rivals import my_pid, race
from tests.races.rows import assert_sound, query
from tests.serving import PATIENCE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)

DEVICES, STORIES, FRIENDS = 6, 8, 6
PAUSE_SECONDS = 0.03

CREATE = """
mutation($t: String!, $v: Version!, $k: UUID!) {
  createStory(input: {title: $t, chapters: [{title: "One", body: "."}]}, expect: {version: $v}, key: $k) {
    ... on StorySuccess { applied shelf { version } }
    ... on Failure { code }
    ... on ConflictError { current { version } }
  }
}
"""
FOLLOW = """
mutation($p: ID!, $v: Version!, $k: UUID!) {
  follow(person: $p, expect: {version: $v}, key: $k) {
    ... on RelationshipSuccess { applied } ... on Failure { code } ... on ConflictError { current { version } }
  }
}
"""
END_ONE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
AND pid NOT IN (%s, pg_backend_pid()) ORDER BY state = 'idle', random() LIMIT 1
"""


class Client:
    """Somebody with an app that tries again until it knows, as the answers advise."""

    def __init__(self, address: str, caller: ApiClient) -> None:
        self.address, self.token = address, caller.token
        self.heard: Counter[str] = Counter()

    def insist(self, query: str, **variables: Any) -> None:
        """Send it with one key until it is acknowledged; on a conflict, on top of what is there."""
        variables = {"v": "0", "k": str(uuid.uuid4()), **variables}
        while True:
            answer = self.post(query, variables)
            said = answer.get("applied") or answer["code"]
            self.heard[said] += 1
            if said in ("WRITTEN", "REPLAYED"):
                return
            assert said in ("CONFLICT", "BUSY", "OUTCOME_UNKNOWN"), answer
            if said == "CONFLICT":
                variables["v"] = answer["current"]["version"]

    def post(self, query: str, variables: dict[str, Any]) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        asked = urllib.request.Request(f"{self.address}/graphql", body, headers)
        with urllib.request.urlopen(asked, timeout=PATIENCE_SECONDS) as response:
            answer = json.load(response)
        if "errors" in answer:
            return {"code": answer["errors"][0]["extensions"]["code"]}
        return next(iter(answer["data"].values()))


def test_whatever_breaks_each_acknowledged_write_is_there_once(server: str, person: Callable[[str], ApiClient]) -> None:
    """Devices of one author fight for a shelf and follow people, while their connections end under them."""
    asha, friends = person("asha"), [person(f"friend{n}") for n in range(FRIENDS)]
    clients = [Client(server, asha) for _ in range(DEVICES)]
    fans = [Client(server, friend) for friend in friends]
    done, main = threading.Event(), my_pid()

    def write(device: int) -> None:
        for number in range(STORIES):
            clients[device].insist(CREATE, t=f"Story {device} {number}")

    def follow(fan: int) -> None:
        for friend in friends:
            if friend is not friends[fan]:
                fans[fan].insist(FOLLOW, p=friend.id)

    def sabotage() -> int:
        ended = 0
        while not done.wait(PAUSE_SECONDS):
            ended += len(query(END_ONE, main))
        return ended

    def all_work() -> None:
        try:
            race([lambda n=n: write(n) for n in range(DEVICES)] + [lambda n=n: follow(n) for n in range(FRIENDS)])
        finally:
            done.set()

    _, ended = race([all_work, sabotage])
    heard = sum((client.heard for client in clients + fans), Counter())
    assert ended > 10
    assert heard["BUSY"] + heard["OUTCOME_UNKNOWN"] > 0
    assert heard["WRITTEN"] + heard["REPLAYED"] == DEVICES * STORIES + FRIENDS * (FRIENDS - 1)
    wanted = sorted(f"Story {device} {number}" for device in range(DEVICES) for number in range(STORIES))
    assert sorted(Story.objects.values_list("title", flat=True)) == wanted
    assert Chapter.objects.count() == len(wanted)
    assert (Shelf.objects.get(pk=asha.person.pk).version, Shelf.objects.get(pk=asha.person.pk).story_count) == (
        len(wanted),
    ) * 2
    pairs = query("SELECT low_version, high_version FROM social_relationship")
    assert pairs == [(2, 2)] * (FRIENDS * (FRIENDS - 1) // 2) == [(2, 2)] * Relationship.objects.count()
    assert_sound()
