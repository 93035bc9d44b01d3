"""Jobs: a row of the transaction that wants them; tried again later and later; dead letters; and removal in the end."""

import json
import logging
from datetime import timedelta
from typing import Any, NoReturn

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.jobs import Job

from backend import tasks
from backend.engine.errors import Invalid
from backend.engine.metrics import REGISTRY
from backend.engine.models import IdempotencyKey
from backend.engine.threads import NOT_CARRIED
from backend.engine.transactions import unit_of_work
from backend.jobs import queue
from backend.jobs.models import DeadLetter, Failure
from backend.jobs.outcomes import ERROR_CHARACTERS, JobOutcome
from backend.jobs.queue import LONGEST_PAUSE_SECONDS, MAX_ATTEMPTS, Backoff, defer, is_last, pause
from backend.jobs.removal import DEAD_LETTER_HOURS, KEPT_HOURS, remove_finished
from backend.notifications import fanout
from backend.people.models import Account
from tests.api import PASSWORD, ApiClient
from tests.api.http import Client
from tests.races.rows import query, scalar
from tests.working import work_off

pytestmark = pytest.mark.django_db(transaction=True)

ANNOUNCE = "FROM procrastinate_jobs WHERE task_name = 'announce'"
SECRET = "what nobody but its author may read"


def waiting() -> list[tuple[str, str, dict[str, Any]]]:
    """Task, key and arguments of each job that waits."""
    rows = query("SELECT task_name, queueing_lock, args FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id")
    return [(task, key, json.loads(args) if isinstance(args, str) else args) for task, key, args in rows]


# --- Deferring --------------------------------------------------------------------------------------------------


def test_a_publication_defers_one_job(asha: ApiClient) -> None:
    """With the story and its version for a key, so that no two publications have the same."""
    story = asha.published_story()["id"]
    pk = str(scalar("SELECT id FROM stories_story"))
    assert waiting() == [("announce", f"announce:{pk}:2", {"story": pk, "version": 2})]
    assert asha.publish(story, "2")["applied"] == "NOOP"
    asha.unpublish(story, "2")
    asha.publish(story, "3")
    assert [key for _, key, _ in waiting()] == [f"announce:{pk}:2", f"announce:{pk}:4"]


def test_a_refusal_defers_nothing(asha: ApiClient, bilal: ApiClient) -> None:
    """A conflict, somebody else's story, a key that belongs to another request."""
    draft = asha.create_story("0")["story"]["id"]
    asha.update_story(draft, {"title": "New"}, "1")
    assert asha.publish(draft, "1")["code"] == "CONFLICT"
    assert bilal.publish(draft, "2")["code"] == "NOT_FOUND"
    assert waiting() == []


def test_a_job_is_gone_with_its_transaction() -> None:
    """What is rolled back after it was deferred leaves no job."""

    def work() -> None:
        defer("announce", "key", story="x", version=1)
        assert len(waiting()) == 1
        raise Invalid.one("x", "is not so.")

    with pytest.raises(Invalid):
        unit_of_work(work)
    assert waiting() == []


def test_a_job_belongs_to_a_transaction() -> None:
    """Outside of one it is not deferred at all."""
    with pytest.raises(RuntimeError, match="unit of work"):
        defer("announce", "key")


def test_deferring_in_a_worker_belongs_to_the_transaction_too() -> None:
    """Whatever connection the worker itself has."""
    with app.replace_connector(app.connector.get_worker_connector()), pytest.raises(Invalid):
        unit_of_work(lambda: (defer("announce", "key"), defer_and_fail()))
    assert waiting() == []


def defer_and_fail() -> None:
    raise Invalid.one("x", "is not so.")


# --- Attempts ---------------------------------------------------------------------------------------------------


def attempt(number: int) -> Job:
    """A job after so many attempts."""
    return Job(id=1, queue="default", lock=None, queueing_lock=None, task_name="announce", attempts=number)


def test_pauses_grow_and_are_left_to_chance() -> None:
    """Each at least half of twice the one before, up to the longest; no two alike."""
    for attempts in range(MAX_ATTEMPTS):
        most = min(2.0 * 2**attempts, LONGEST_PAUSE_SECONDS)
        pauses = {pause(attempts) for _ in range(20)}
        assert len(pauses) > 1
        assert all(most / 2 <= one <= most for one in pauses)


def test_attempts_are_bounded() -> None:
    """After the last there is no other."""
    decisions = [Backoff().get_retry_decision(exception=ValueError(), job=attempt(n)) for n in range(MAX_ATTEMPTS)]
    assert [one is None for one in decisions] == [False] * (MAX_ATTEMPTS - 1) + [True]
    assert is_last(attempt(MAX_ATTEMPTS - 1))
    first = decisions[0]
    assert first is not None
    assert first.retry_at is not None
    assert first.retry_at > timezone.now()


def break_announce(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt fails, and no other is due while the test runs."""

    def fail(*_: Any) -> None:
        raise ValueError(SECRET)

    monkeypatch.setattr(fanout, "announce", fail)
    monkeypatch.setattr(queue, "pause", lambda _attempts: 3600.0)


def test_a_job_that_fails_is_tried_later(
    asha: ApiClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It waits, with its error kept and logged; what the error says is in neither place."""
    asha.published_story()
    break_announce(monkeypatch)
    with caplog.at_level(logging.WARNING, "katha.jobs"):
        work_off()
    ((status, attempts, later),) = query(f"SELECT status, attempts, scheduled_at > now() {ANNOUNCE}")
    assert (status, attempts, later) == ("todo", 1, True)
    kept = Failure.objects.get().error
    assert kept.startswith("ValueError in fail, line ")
    assert SECRET not in kept
    (record,) = [record for record in caplog.records if record.name == "katha.jobs"]
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)
    assert (record.levelname, record.__dict__["task"]) == ("WARNING", "announce")


@pytest.mark.parametrize("kind", NOT_CARRIED)
def test_an_error_that_no_thread_hands_over_ends_the_attempt_too(
    asha: ApiClient, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    """The worker would wait for it for ever, with the job at work, or would end with it."""
    asha.published_story()
    monkeypatch.setattr(fanout, "announce", lambda *_: raise_one(kind))
    monkeypatch.setattr(queue, "pause", lambda _attempts: 3600.0)
    work_off()
    assert query(f"SELECT status::text, attempts {ANNOUNCE}") == [("todo", 1)]
    assert Failure.objects.get().error.startswith(f"RuntimeError from {kind.__name__} in raise_one, line ")


def raise_one(kind: type[BaseException]) -> NoReturn:
    raise kind


def test_an_attempt_is_timed_however_it_ends(asha: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many durations as attempts, by task; and its transactions count for it."""
    labels = {"task": "announce"}
    before = timed(**labels), ended(**labels)
    asha.published_story()
    work_off()
    asha.published_story("1")
    break_announce(monkeypatch)
    work_off()
    assert (timed(**labels) - before[0], ended(**labels) - before[1]) == (2, 2)
    assert (REGISTRY.get_sample_value("katha_transaction_seconds_count", {"operation": "announce"}) or 0) > 0


def timed(**labels: str) -> float:
    return REGISTRY.get_sample_value("katha_job_seconds_count", labels) or 0


def ended(**labels: str) -> float:
    return sum(
        REGISTRY.get_sample_value("katha_jobs_total", {**labels, "outcome": one.value}) or 0 for one in JobOutcome
    )


def test_an_error_is_kept_in_so_many_characters(asha: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the name of its kind."""
    asha.published_story()
    kind = type("A" * 2 * ERROR_CHARACTERS, (ValueError,), {})
    monkeypatch.setattr(fanout, "announce", lambda *_: (_ for _ in ()).throw(kind()))
    work_off()
    assert len(Failure.objects.get().error) == ERROR_CHARACTERS


@pytest.fixture
def staff(bilal: ApiClient) -> Client:
    """A browser in which staff have signed in to the admin."""
    Account.objects.filter(login="bilal").update(is_staff=True)
    browser = Client()
    browser.post("/admin/login/?next=/admin/", {"username": "bilal", "password": PASSWORD})
    return browser


def test_a_dead_letter_waits_for_staff(asha: ApiClient, staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the last attempt it is in the admin, with why it failed; there it can be run again."""
    asha.published_story()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET attempts = %s", [MAX_ATTEMPTS - 1])
    with monkeypatch.context() as broken:
        break_announce(broken)
        work_off()
    letter = DeadLetter.objects.get(status="failed")
    assert (letter.status, letter.attempts) == ("failed", MAX_ATTEMPTS)
    page = "/admin/jobs/deadletter/"
    shown = staff.get(page).content.decode()
    assert "announce" in shown
    assert "ValueError in fail" in shown
    assert SECRET not in shown
    assert staff.get(f"{page}{letter.pk}/change/").status_code == 200
    again = {"action": "run_again", "_selected_action": [letter.pk]}
    assert "1 will be run again." in staff.post(page, again, follow=True).content.decode()
    assert "ValueError" not in staff.get(page).content.decode()
    work_off()
    assert query(f"SELECT status {ANNOUNCE}") == [("succeeded",)]
    assert query("SELECT done FROM notifications_announcement") == [(True,)]


def test_the_library_s_own_pages_open(asha: ApiClient, staff: Client) -> None:
    """All jobs, whatever has become of them."""
    asha.published_story()
    assert staff.get("/admin/procrastinate/procrastinatejob/").status_code == 200


# --- The clock --------------------------------------------------------------------------------------------------


def test_what_comes_by_the_clock() -> None:
    """Each of these, once for each time whoever works."""
    found = {one.task.name: one.cron for one in app.periodic_registry.periodic_tasks.values()}
    assert found == {
        "rescreen": "*/5 * * * *",
        "prune": "30 3 * * *",
        "digest": "0 6 * * *",
        "remove_finished": "17 * * * *",
    }


def test_old_keys_and_revisions_are_forgotten(asha: ApiClient, bilal: ApiClient, settings: Any) -> None:
    """As by the commands of the same purpose."""
    story = asha.create_story("0")["story"]["id"]
    for number in range(4):
        asha.update_story(story, {"title": f"Title {number}"}, str(number + 1), key=None)
    asha.follow(bilal, "0", "00000000-0000-4000-8000-000000000001")
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(days=settings.IDEMPOTENCY_KEY_DAYS + 1))
    settings.REVISIONS_KEPT = 2
    tasks.prune_daily(0)
    assert scalar("SELECT count(*) FROM stories_revision") == 2
    assert not IdempotencyKey.objects.exists()


def test_ended_jobs_are_removed_after_some_time(asha: ApiClient) -> None:
    """Those that were done soon, dead letters late, and never one that waits."""
    asha.published_story()
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_jobs (queue_name, task_name, args) VALUES ('default', 'x', '{}')")
        cursor.execute("UPDATE procrastinate_jobs SET status = 'succeeded' WHERE task_name = 'announce'")
        cursor.execute("INSERT INTO procrastinate_jobs (queue_name, task_name, args) VALUES ('default', 'y', '{}')")
        cursor.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE task_name = 'y'")
    Failure.objects.bulk_create(
        [Failure(job_id=id_, error="E") for (id_,) in query("SELECT id FROM procrastinate_jobs")]
    )

    def left_after(hours: int) -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE procrastinate_events SET at = now() - %s", [timedelta(hours=hours)])
        remove_finished()
        return [name for (name,) in query("SELECT task_name FROM procrastinate_jobs ORDER BY task_name")]

    assert left_after(KEPT_HOURS - 1) == ["announce", "x", "y"]
    assert left_after(KEPT_HOURS + 1) == ["x", "y"]
    assert left_after(DEAD_LETTER_HOURS + 1) == ["x"]
    assert Failure.objects.count() == 1
    call_command("verify", verbosity=0)
