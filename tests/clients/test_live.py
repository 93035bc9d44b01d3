"""graphql-sse and graphql-ws themselves against a real server: what they are told, and that they do not storm it."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.api import ApiClient
from tests.live.streams import BIO, things
from tests.serving import free_port, serving, start

FOLDER = Path(__file__).parent / "live"
TRANSPORTS = ("sse", "websocket")
WAIT_SECONDS, SLACK = 0.3, 5
"""How long `watch.mjs` waits before it asks again, and how many more requests there may be: who storms does not wait."""

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not on this machine: install Node.js 20 or newer"),
]


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    """What the lock names is there. Of several processes of tests one installs it, and the others wait."""
    with (FOLDER / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (FOLDER / "node_modules" / ".package-lock.json").is_file():
            subprocess.run(
                ["npm", "ci", "--no-fund", "--no-audit"], cwd=FOLDER, check=True, capture_output=True, timeout=300
            )


class Watcher:
    """A client in a process of its own."""

    def __init__(self, transport: str, url: str, token: str | None, query: str, variables: dict[str, Any]) -> None:
        arguments = [transport, f"{url}/graphql", str(token), query, json.dumps(variables)]
        self._process = subprocess.Popen(
            ["node", "watch.mjs", *arguments], cwd=FOLDER, stdout=subprocess.PIPE, text=True
        )
        self.asked = 0
        self.closed: list[int] = []

    def said(self) -> dict[str, Any]:
        """The next thing that is no connection, which is counted."""
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            event: dict[str, Any] = json.loads(line)
            if "asked" in event:
                self.asked += 1
            elif "closed" in event:
                self.closed.append(event["closed"])
            else:
                return event
        raise AssertionError("the client has ended")

    def end(self) -> None:
        """Leave."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def watching(*arguments: Any) -> Iterator[Watcher]:
    """A client that is ended in the end, whatever happens; and after a while, if nothing does."""
    watcher = Watcher(*arguments)
    previous = signal.signal(signal.SIGALRM, lambda *_: watcher.end())
    signal.alarm(90)
    try:
        yield watcher
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
        watcher.end()


@pytest.fixture(scope="module")
def url(served_database: str) -> Iterator[str]:
    """A server."""
    with serving(served_database, workers=2) as (address, _):
        yield address


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_subscription_runs_and_a_query_completes(url: str, transport: str, asha: ApiClient) -> None:
    """As their documentation shows it."""
    with watching(transport, url, asha.token, BIO, things(asha.id)) as watcher:
        assert watcher.said()["next"]["data"]["changed"]["version"] == "1"
        assert asha.update_profile({"bio": "New."}, "1")["applied"] == "WRITTEN"
        assert watcher.said()["next"]["data"]["changed"]["thing"] == {"bio": "New."}
        assert watcher.asked == 1
    with watching(transport, url, asha.token, "{ viewer { handle } }", {}) as watcher:
        assert watcher.said() == {"next": {"data": {"viewer": {"handle": "asha"}}}}
        assert watcher.said() == {"complete": True}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("query", ["subscription { nothing }", "subscription { changed(things: []) { id } }"])
def test_what_is_refused_is_told_and_not_asked_again(url: str, transport: str, query: str, asha: ApiClient) -> None:
    """With its code, at once: over SSE as a result, then complete; over a WebSocket as the operation's error."""
    with watching(transport, url, asha.token, query, {}) as watcher:
        said = watcher.said()
        errors = said["next"]["errors"] if transport == "sse" else said["error"]
        assert errors[0]["extensions"]["code"] in ("GRAPHQL_VALIDATION_FAILED", "INVALID")
        if transport == "sse":
            assert watcher.said() == {"complete": True}
        assert watcher.asked == 1


def test_a_token_that_ends_completes_a_stream(url: str, asha: ApiClient, bilal: ApiClient) -> None:
    """It is told why, and the client does not come back."""
    with watching("sse", url, bilal.token, BIO, things(asha.id)) as watcher:
        watcher.said()
        bilal.ask("mutation { signOut }")
        assert watcher.said()["next"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert watcher.said() == {"complete": True}
        assert watcher.asked == 1


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_restart_is_outlived_without_a_storm(served_database: str, transport: str, asha: ApiClient) -> None:
    """The client comes back by itself, is told what it has missed, and had not asked more often than it waits."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    first = start(served_database, port, "--no-worker", workers=1)
    second = None
    try:
        with watching(transport, url, asha.token, BIO, things(asha.id)) as watcher:
            assert watcher.said()["next"]["data"]["changed"]["version"] == "1"
            asked, began = watcher.asked, time.monotonic()
            os.killpg(first.pid, signal.SIGTERM)
            first.wait(timeout=60)
            assert asha.update_profile({"bio": "Meanwhile."}, "1")["applied"] == "WRITTEN"
            second = start(served_database, port, "--no-worker", workers=1)
            assert watcher.said()["next"]["data"]["changed"]["thing"] == {"bio": "Meanwhile."}
            waits = (time.monotonic() - began) / WAIT_SECONDS
            assert 1 <= watcher.asked - asked <= waits + SLACK
            assert transport == "sse" or 1012 in watcher.closed
    finally:
        for process in filter(None, (first, second)):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=60)
