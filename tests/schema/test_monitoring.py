"""What moderators and Prometheus are told of the server: the same figures, and nothing of anybody else."""

from collections import Counter
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from prometheus_client.parser import text_string_to_metric_families

from backend import VERSION
from backend.engine.conflicts import FREQUENT
from backend.engine.errors import Busy, OutcomeUnknown
from backend.monitoring import database
from backend.monitoring.process import BY_STATUS
from resolvers import people
from schema.nodes import node_types
from schema.root import schema
from tests.api import ApiClient
from tests.api.http import Client
from tests.api.moderation import make_moderator
from tests.races.rivals import Rival, my_pid, terminate, until
from tests.serving import PATIENCE_SECONDS, serving

pytestmark = pytest.mark.django_db(transaction=True)

HEALTH = """
{ health {
    version startedAt faults threadsBusy threads
    operations { name committed refused rolledBack unknown replays unconditioned meanSeconds
      deadlocks serializationFailures lockTimeouts
      refusals { kind count } conflicts { kind count } reruns { kind count } }
    requests { kind count }
    jobs { byStatus { kind count } oldestSeconds runs { task outcomes { kind count } } }
    database { connections connectionsLimit lockWaits longestLockWaitSeconds deadlocks tallySlots { kind count } }
    hottest { type thing fields conflicts lastAt }
} }
"""

Sample = tuple[str, ...]


def scraped(address: str | None = None) -> Counter[Sample]:
    """The values that /metrics shows, by name and labels: of this process, or of the server at this address."""
    if address is None:
        response = Client().get("/metrics")
        assert response.status_code == 200
        assert response["Content-Type"].startswith("text/plain; version=")
        text = response.content.decode()
    else:
        with urlopen(f"{address}/metrics", timeout=PATIENCE_SECONDS) as opened:
            text = opened.read().decode()
    found: Counter[Sample] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))] = sample.value
    return found


def status(url: str) -> int:
    """Of the answer to a GET."""
    try:
        with urlopen(url, timeout=PATIENCE_SECONDS) as response:
            return int(response.status)
    except HTTPError as error:
        return error.code


def since(before: Counter[Sample], *names: str, address: str | None = None) -> dict[Sample, float]:
    """What was counted since then, of metrics of these names."""
    now = scraped(address)
    return {key: now[key] - before[key] for key in now if key[0] in names and now[key] != before[key]}


def transaction(operation: str, outcome: str) -> Sample:
    return "katha_transactions_total", f"operation={operation}", f"outcome={outcome}"


ENDED = ("katha_transactions_total", "katha_refusals_total", "katha_replays_total", "katha_unconditioned_writes_total")


# --- What counts as what ----------------------------------------------------------------------------------------


def test_each_mutation_is_counted_once(asha: ApiClient, bilal: ApiClient) -> None:
    """Written, NOOP and replayed are committed; conflicts and other refusals refused; a batch counts each."""
    key = "0190a000-0000-7000-8000-000000000001"
    before = scraped()
    asha.follow(bilal, key=key)
    asha.follow(bilal, key=key)
    asha.follow(bilal, "1")
    asha.unfollow(bilal, "0")
    ApiClient().follow(bilal)
    asha.block(bilal)
    asha.ask("mutation { a: signOut b: signOut }")
    assert since(before, *ENDED, "katha_conflicts_total") == {
        transaction("follow", "committed"): 3,
        transaction("follow", "refused"): 1,
        transaction("unfollow", "refused"): 1,
        transaction("block", "committed"): 1,
        transaction("signOut", "committed"): 2,
        ("katha_replays_total", "operation=follow"): 1,
        ("katha_unconditioned_writes_total", "operation=block"): 1,
        ("katha_refusals_total", "code=CONFLICT", "operation=unfollow"): 1,
        ("katha_refusals_total", "code=UNAUTHENTICATED", "operation=follow"): 1,
        ("katha_conflicts_total", "operation=unfollow", "type=Relationship"): 1,
    }


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (Busy(after_ms=1), "rolled_back", "BUSY"),
        (OutcomeUnknown(after_ms=1), "unknown", "OUTCOME_UNKNOWN"),
        (OperationalError("the connection is lost"), "rolled_back", "BUSY"),
        (LookupError(), "rolled_back", None),
    ],
)
def test_what_fails_is_counted_as_it_is_answered(
    asha: ApiClient, monkeypatch: pytest.MonkeyPatch, error: Exception, outcome: str, code: str | None
) -> None:
    """A fault is rolled back, and counted as a fault."""

    def fail(*_args: object, **_options: object) -> Any:
        raise error

    monkeypatch.setattr(people.actions, "update_profile", fail)
    before = scraped()
    asha.post('mutation { updateProfile(patch: {name: "A"}, expect: {version: "1"}) { __typename } }')
    expected: dict[Sample, float] = {transaction("updateProfile", outcome): 1}
    if code is None:
        expected["katha_faults_total",] = 1
    else:
        expected["katha_refusals_total", f"code={code}", "operation=updateProfile"] = 1
    assert since(before, *ENDED, "katha_faults_total") == expected


def test_a_fault_after_the_commit_is_committed(asha: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write is there, whatever becomes of the answer."""

    def fail(*_args: object) -> Any:
        raise LookupError

    monkeypatch.setattr("schema.people.applied_of", fail)
    before = scraped()
    asha.post('mutation { updateProfile(patch: {name: "A"}, expect: {version: "1"}) { __typename } }')
    assert since(before, *ENDED) == {transaction("updateProfile", "committed"): 1}
    assert asha.ask("{ viewer { name } }") == {"viewer": {"name": "A"}}


def test_what_was_never_executed_is_not_counted(asha: ApiClient) -> None:
    """A document that is not valid, a variable that does not fit, a query."""
    before = scraped()
    for document in ("mutation { follow }", "mutation ($k: UUID) { signOut }", "{ viewer { id } }", "mutation {"):
        asha.post(document, k=7)
    assert since(before, *ENDED) == {}


def test_every_mutation_shows_from_the_start() -> None:
    """As 0: so that the first failure is an increase."""
    found = scraped()
    assert schema._schema.mutation_type
    for name in schema._schema.mutation_type.fields:
        for outcome in ("committed", "refused", "rolled_back", "unknown"):
            assert transaction(name, outcome) in found


def test_labels_are_of_the_schema(asha: ApiClient) -> None:
    """Names of operations are those of the contract, whatever a client calls them."""
    asha.post('mutation Mine { mine: updateProfile(patch: {name: "A"}, expect: {version: "1"}) { __typename } }')
    assert schema._schema.mutation_type
    known = set(schema._schema.mutation_type.fields)
    labels = {part for key in scraped() for part in key if part.startswith("operation=")}
    transactions = {part for key in scraped() if key[0] == "katha_transactions_total" for part in key[1:]}
    assert {part for part in transactions if part.startswith("operation=")} == {f"operation={name}" for name in known}
    assert "operation=mine" not in labels
    assert set(node_types()) <= set(schema._schema.type_map)


def test_requests_are_counted_by_status(served_database: str) -> None:
    """With the time they took."""
    with serving(served_database, workers=1) as (address, _process):
        before = scraped(address)
        assert [status(f"{address}{path}") for path in ("/healthz", "/nothing")] == [200, 404]
        found = since(before, "katha_http_requests_total", "katha_http_request_seconds_count", address=address)
    # The scrape that shows them is not over yet; the one before is.
    assert found == {
        ("katha_http_requests_total", "status=2xx"): 2,
        ("katha_http_requests_total", "status=4xx"): 1,
        ("katha_http_request_seconds_count",): 3,
    }


# --- What the database says -------------------------------------------------------------------------------------


def test_waits_for_locks_show(transactional_db: None) -> None:
    """How many sessions wait, and for how long the first of them has."""
    assert database.read().lock_waits == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(1)")
        rival = Rival(lambda: wait_for_lock()).until_it_waits()
        until(lambda: database.read().longest_lock_wait_seconds > 0, "the wait to be seen")
        assert database.read().lock_waits == 1
        cursor.execute("SELECT pg_advisory_unlock(1)")
    rival.result()
    assert (database.read().lock_waits, database.read().longest_lock_wait_seconds) == (0, 0)


def wait_for_lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(1), pg_advisory_unlock(1)")


JOB = """
INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, args, status, scheduled_at)
VALUES ('default', 'nothing', 0, NULL, '{}', %s, now() + %s::interval) RETURNING id
"""


def test_jobs_show_by_status_and_age(transactional_db: None) -> None:
    """The oldest that is due counts; one that is for later does not."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
        assert (database.read().jobs, database.read().oldest_job_seconds) == ({"todo": 0, "doing": 0, "failed": 0}, 0)
        cursor.execute(JOB, ["todo", "1 hour"])
        cursor.execute(JOB, ["failed", "-9 hours"])
        assert database.read().oldest_job_seconds == 0
        cursor.execute(JOB, ["todo", None])
        assert 0 < database.read().oldest_job_seconds < 100
        cursor.execute(JOB, ["todo", "-1 hour"])
        assert 3600 <= database.read().oldest_job_seconds < 3700
        assert database.read().jobs == {"todo": 3, "doing": 0, "failed": 1}
        cursor.execute("DELETE FROM procrastinate_jobs")


def test_without_the_database_the_counters_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is said to be down; what only it could say is left out."""

    def fail() -> Any:
        raise OperationalError

    monkeypatch.setattr(database, "read", fail)
    found = scraped()
    assert found["katha_database_up",] == 0
    assert transaction("follow", "committed") in found
    assert ("katha_lock_waits",) not in found


def test_a_connection_that_was_ended_is_not_a_database_that_is_down() -> None:
    """Each look takes a new one."""
    for path in ("/metrics", "/readyz"):
        terminate(my_pid())
        response = Client().get(path)
        assert response.status_code == 200
        assert b"katha_database_up 1.0" in response.content or path == "/readyz"


# --- health -----------------------------------------------------------------------------------------------------


def test_health_is_for_moderators(asha: ApiClient) -> None:
    """Everybody else is refused."""
    for caller, code in ((ApiClient(), "UNAUTHENTICATED"), (asha, "FORBIDDEN")):
        answer = caller.post(HEALTH)
        assert answer["data"] == {"health": None}
        assert answer["errors"][0]["extensions"]["code"] == code


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> None:
    """Nothing was fought over so far: neither in this process, by the tests before, nor in a server that they started."""
    monkeypatch.setattr(FREQUENT, "_counts", {})
    settings.DATA = tmp_path


@pytest.mark.usefixtures("cold")
def test_health_says_what_metrics_say(asha: ApiClient, bilal: ApiClient) -> None:
    """Of each mutation, the requests, the jobs, the database, and what was fought over."""
    make_moderator(asha)
    bilal.update_profile({"name": "First"}, "1")
    for _ in range(3):
        assert bilal.update_profile({"name": "Second"}, "1")["__typename"] == "ConflictError"
    BY_STATUS[2].inc(3)  # as the server does, which has no part in this
    health, found = asha.ask(HEALTH)["health"], scraped()
    assert (health["version"], health["faults"]) == (VERSION, found["katha_faults_total",])
    names = {"committed": "committed", "refused": "refused", "rolled_back": "rolledBack", "unknown": "unknown"}
    for one in health["operations"]:
        for outcome, field in names.items():
            assert one[field] == found[transaction(one["name"], outcome)]
        for metric, label, field in (("refusals", "code", "refusals"), ("conflicts", "type", "conflicts")):
            for count in one[field]:
                labels = sorted([f"{label}={count['kind']}", f"operation={one['name']}"])
                assert count["count"] == found[f"katha_{metric}_total", *labels] > 0
    shown = {one["name"] for one in health["operations"]}
    assert "updateProfile" in shown
    assert shown >= {
        key[1].partition("=")[2] for key, value in found.items() if key[0] == "katha_transactions_total" and value
    }
    requests = {one["kind"]: one["count"] for one in health["requests"]}
    assert requests["2xx"] == found["katha_http_requests_total", "status=2xx"] == BY_STATUS[2]._value.get()
    assert health["database"]["connectionsLimit"] == found["katha_database_connections_limit",]
    assert {one["kind"] for one in health["jobs"]["byStatus"]} >= {"todo", "doing", "failed"}
    (hot,) = (one for one in health["hottest"] if one["thing"] == bilal.id)
    assert (hot["type"], hot["fields"], hot["conflicts"]) == ("Person", ["name"], 3)


@pytest.mark.usefixtures("cold")
def test_conflicts_are_listed(asha: ApiClient, capsys: pytest.CaptureFixture[str]) -> None:
    """The type, the key, the fields; and that there is nothing where there is nothing."""
    call_command("conflicts", limit=0)
    assert "No conflicts" in capsys.readouterr().out
    asha.update_profile({"name": "First"}, "1")
    for _ in range(1000):
        people.actions.conflict(asha.person, seen=people.Expected(1), thing=("person", asha.person.pk))
    call_command("conflicts", limit=1)
    listed = capsys.readouterr().out.splitlines()
    assert listed[0].split() == ["conflicts", "type", "key", "fields", "last"]
    assert listed[1].split()[:3] == ["1000", "person", str(asha.person.pk)]
