"""A database that takes everything and says nothing any more, as one that is stopped: nobody waits for it for ever."""

import json
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlparse

import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings

from backend.engine import deadline
from tests.api import ApiClient
from tests.races.cuttable_proxy import CuttableProxy, through_proxy
from tests.races.rows import assert_sound, query
from tests.races.statements import before
from tests.serving import serving

pytestmark = pytest.mark.django_db(transaction=True)

ROLLBACK = b"ROLLBACK\0"
BUSY = ("BUSY", "SAME_REQUEST")


HURRIED = override_settings(REQUEST_SECONDS=1)
"""For a request that is not answered; the others have as much time as any."""


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moments instead of seconds; the order of them stays."""
    monkeypatch.setattr(deadline, "CANCEL_SECONDS", 0.2)
    monkeypatch.setattr(deadline, "SILENT_SECONDS", 1.0)
    monkeypatch.setattr(deadline, "COMMIT_SECONDS", 1.5)


@pytest.fixture
def proxy() -> Iterator[CuttableProxy]:
    """What leads to the database."""
    with through_proxy() as proxy:
        yield proxy


def told(answer: Any) -> tuple[str, str]:
    """What a client goes by."""
    return answer["code"], answer["retry"]["kind"]


@pytest.mark.parametrize("pattern", ["people_accesstoken", "INSERT INTO .*social_relationship"])
def test_nothing_is_written_when_no_answer_comes(
    asha: ApiClient, bilal: ApiClient, proxy: CuttableProxy, pattern: str
) -> None:
    """Neither to the question who asks, nor in the middle of the write; and all is well as soon as it speaks again."""
    key = str(uuid.uuid4())
    assert asha.ask("{ viewer { handle } }") == {"viewer": {"handle": "asha"}}
    with HURRIED, before(pattern, proxy.fall_silent):
        assert told(asha.follow(bilal, "0", key)) == BUSY
    assert connection.connection is None or connection.connection.closed
    proxy.speak()
    assert asha.follow(bilal, "0", key)["applied"] == "WRITTEN"
    assert_sound()


def test_a_read_is_given_up_too(asha: ApiClient, proxy: CuttableProxy) -> None:
    """One error and no data."""
    asha.ask("{ viewer { handle } }")
    proxy.fall_silent()
    with HURRIED:
        answer = asha.post("{ viewer { handle } }")
    assert answer["data"] is None
    assert told(answer["errors"][0]["extensions"]) == BUSY
    proxy.speak()
    assert asha.ask("{ viewer { handle } }") == {"viewer": {"handle": "asha"}}


def test_of_a_commit_that_is_not_answered_nobody_knows(asha: ApiClient, bilal: ApiClient, proxy: CuttableProxy) -> None:
    """So the key decides, as after a cut."""
    key = str(uuid.uuid4())
    proxy.cut("unanswered")
    with HURRIED:
        assert told(asha.follow(bilal, "0", key)) == ("OUTCOME_UNKNOWN", "SAME_REQUEST")
    proxy.speak()
    assert asha.follow(bilal, "0", key)["applied"] == "REPLAYED"
    assert query("SELECT low_version, high_version FROM social_relationship") == [(1, 1)]


def test_a_refusal_that_cannot_be_rolled_back_is_busy(asha: ApiClient, bilal: ApiClient, proxy: CuttableProxy) -> None:
    """The conflict is told the next time."""
    asha.follow(bilal, "0")
    proxy.cut("unanswered", ROLLBACK)
    with HURRIED:
        assert told(asha.unfollow(bilal, "0")) == BUSY
    proxy.speak()
    assert asha.unfollow(bilal, "0")["__typename"] == "ConflictError"


def test_a_server_over_it_is_alive_and_tells_all_to_come_back(
    served_database: str, monkeypatch: pytest.MonkeyPatch, asha: ApiClient, tmp_path: Path
) -> None:
    """Those it has begun with, and those for whom it never had a place; its log and its metrics tell of each."""
    monkeypatch.setenv("REQUEST_SECONDS", "1")
    proxy = CuttableProxy()
    place = urlparse(served_database)
    through = place._replace(netloc=place.netloc.rpartition("@")[0] + f"@{quote(str(proxy.folder), safe='')}:5432")

    log = tmp_path / "log"
    with (
        log.open("wb") as written,
        serving(through.geturl(), workers=1, stderr=written.fileno()) as (address, _process),
    ):
        asked = caller(address, asha.token)
        assert asked()[0] == 200
        proxy.fall_silent()
        with ThreadPoolExecutor(3 * settings.THREADS) as clients:
            waiting = [clients.submit(asked) for _ in range(3 * settings.THREADS)]
            assert get(address, "/healthz")[0] == 200
            answers = [one.result() for one in waiting]
        assert {told(answer["errors"][0]["extensions"]) for _, answer in answers} == {BUSY}
        assert Counter(status for status, _ in answers) == {200: settings.THREADS, 503: 2 * settings.THREADS}
        assert get(address, "/readyz")[0] == 503
        proxy.speak()
        assert asked() == (200, {"data": {"viewer": {"handle": "asha"}}})
        with urllib.request.urlopen(f"{address}/metrics") as response:
            metrics = response.read().decode()
        assert f'katha_queries_total{{code="BUSY"}} {settings.THREADS}.0\n' in metrics
        assert f'katha_rejected_requests_total{{code="BUSY"}} {2 * settings.THREADS}.0\n' in metrics
        assert f'katha_http_requests_total{{status="5xx"}} {2 * settings.THREADS + 1}.0\n' in metrics
    proxy.close()
    events: Counter[tuple[str, str, str]] = Counter()
    for line in map(json.loads, log.read_text().splitlines()):
        if "request_id" in line:  # all but what the watcher says, which cancels in vain
            events[line["event"], line["method"], line["url"]] += line.get("times", 1)
    assert events == {
        ("busy", "POST", "/graphql"): settings.THREADS,
        ("turned away", "POST", "/graphql"): 2 * settings.THREADS,
        ("not ready", "GET", "/readyz"): 1,
    }


def caller(address: str, token: str | None) -> Callable[[], tuple[int, Any]]:
    """Asks the server who asks."""
    body = json.dumps({"query": "{ viewer { handle } }"})
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    return lambda: get(address, "/graphql", "POST", body, headers)


def get(address: str, path: str, method: str = "GET", *more: Any) -> tuple[int, Any]:
    """The status and the JSON of an answer."""
    one = HTTPConnection(urlparse(address).netloc, timeout=60)
    one.request(method, path, *more)
    response = one.getresponse()
    return response.status, json.loads(response.read())
