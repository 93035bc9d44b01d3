"""Jobs broken off at every statement, done twice at once, and raced against what people do meanwhile: one effect."""

import itertools
import threading
import uuid
from collections.abc import Callable
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.db import close_old_connections, connection
from procrastinate.jobs import Job, Status
from psycopg import IsolationLevel

from backend.engine import metrics
from backend.engine.errors import Busy
from backend.engine.transactions import SERIALIZATION_FAILURE, unit_of_work
from backend.jobs.outcomes import give_back
from backend.jobs.queue import MAX_ATTEMPTS, run_again
from backend.moderation import digest, rescreening
from backend.moderation.digest import tell_moderators
from backend.moderation.models import Report
from backend.monitoring import verify
from backend.notifications import fanout
from backend.notifications.models import Announcement, Notification, NotificationKind
from backend.people.models import Account, Person
from backend.stories.models import Story
from backend.whispers.models import Flag, Screening, Whisper
from tests import depth
from tests.api import ApiClient
from tests.api.moderation import make_moderator, screen_for
from tests.api.notifications import announce, told_of_a_day
from tests.races.rivals import elsewhere, my_pid, race, terminate
from tests.races.rows import crowd, query, scalar
from tests.races.statements import before, fault_at
from tests.working import make_followers, publish, told

pytestmark = pytest.mark.django_db(transaction=True)

FOLLOWERS = 7


@pytest.fixture(autouse=True)
def small_batches(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three at once, so that a few are several batches; and whatever is there has been there for long."""
    monkeypatch.setattr(fanout, "BATCH", 3)
    monkeypatch.setattr(rescreening, "BATCH", 3)
    monkeypatch.setattr(rescreening, "SETTLED", timedelta(0))


def followed(count: int = FOLLOWERS) -> tuple[Person, list[Person]]:
    """Somebody, and those who follow."""
    author, *followers = crowd(count + 1)
    make_followers(author, followers)
    return author, followers


def broken() -> None:
    raise RuntimeError("a fault of ours")


def lost() -> None:
    terminate(my_pid())


def broken_off_everywhere(job: Callable[[], Any], fault: Callable[[], None]) -> int:
    """Do a job with a fault at its first statement, then again with one at its second … until it goes through. How often.

    What has been done by then stays done: so each attempt goes on in the middle, as after `kill -9`.
    """
    for number in itertools.count(1):
        with fault_at(number, fault) as statements:
            try:
                job()
            except (RuntimeError, Busy):
                close_old_connections()
        if len(statements) < number:
            return number - 1
    raise AssertionError("unreachable: the loop ends by returning")


# --- Jobs of the dead -------------------------------------------------------------------------------------------


def job_of_the_dead(attempts: int) -> Job:
    """A job whose worker is gone, as a worker that looks for such jobs sees it."""
    publish(crowd(1, f"author{attempts}")[0], 1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing', attempts = %s", [attempts])
        cursor.execute("SELECT id FROM procrastinate_jobs")
        (pk,) = cursor.fetchone()
    return Job(id=pk, queue="default", lock=None, queueing_lock=None, task_name="announce", attempts=attempts)


@pytest.mark.parametrize(("attempts", "status"), [(0, "todo"), (MAX_ATTEMPTS - 1, "failed")])
def test_of_all_who_give_a_job_back_one_does(attempts: int, status: str) -> None:
    """Its attempt counts once, and so does its end in the metrics."""
    job = job_of_the_dead(attempts)
    assert sorted(race([lambda: give_back(job)] * 8)) == [False] * 7 + [True]
    assert query("SELECT status::text, attempts FROM procrastinate_jobs") == [(status, attempts + 1)]
    assert query("SELECT error FROM jobs_failure") == [("WorkerLost",)]


def test_who_is_late_does_not_take_a_job_from_the_worker_that_does_it_now() -> None:
    """It was given back and is being done again: to the one who saw it before, that looks like the same dead worker's job."""
    job = job_of_the_dead(0)
    assert give_back(job)
    with connection.cursor() as cursor:
        cursor.execute("SELECT (procrastinate_fetch_job_v2(NULL, NULL)).attempts")
        assert cursor.fetchone() == (1,)
    assert not give_back(job)
    assert query("SELECT status::text, attempts FROM procrastinate_jobs") == [("doing", 1)]


def test_of_two_moderators_who_run_a_dead_letter_again_one_does() -> None:
    """Also when it is being done again before the second one has clicked."""
    job = job_of_the_dead(MAX_ATTEMPTS - 1)
    assert give_back(job)
    assert job.id is not None
    letter = (job.id, MAX_ATTEMPTS, Status.FAILED)
    assert sorted(race([lambda: run_again(*letter)] * 4)) == [False] * 3 + [True]
    with connection.cursor() as cursor:
        cursor.execute("SELECT procrastinate_fetch_job_v2(NULL, NULL)")
    assert not run_again(*letter)
    assert query("SELECT status::text, attempts FROM procrastinate_jobs") == [("doing", MAX_ATTEMPTS + 1)]


# --- Telling followers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [broken, lost])
def test_a_fanout_goes_on_where_it_was_broken_off(fault: Callable[[], None]) -> None:
    """At every statement of a batch, and then again: each follower is told once."""
    author, _ = followed()
    (story,) = publish(author, 1)
    assert broken_off_everywhere(lambda: fanout.announce(story, 2), fault) >= 4
    assert told() == {story: FOLLOWERS}
    assert Announcement.objects.get().done


def test_a_batch_that_is_broken_off_has_told_nobody() -> None:
    """The mark moves with those who are told, or neither does."""
    author, _ = followed()
    (story,) = publish(author, 1)
    for number in itertools.count(1):
        with fault_at(number, broken) as statements:
            try:
                unit_of_work(lambda: fanout.tell_some(story, 2))
            except RuntimeError:
                assert told() == {}
                assert not Announcement.objects.exists()
                continue
        assert len(statements) == number - 1
        break
    assert told() == {story: 3}


def test_two_workers_at_the_same_job_tell_everybody_once() -> None:
    """One waits for the other's batch, and goes on after it."""
    author, _ = followed(60)
    (story,) = publish(author, 1)
    race([lambda: fanout.announce(story, 2)] * 4)
    assert told() == {story: 60}


def test_a_worker_that_was_overtaken_tells_nobody_twice() -> None:
    """It was stopped in the middle of its batch, another did the job again; it goes on when that has told them all."""
    author, _ = followed()
    (story,) = publish(author, 1)
    overtaken = threading.Event()

    def other_does_it() -> None:
        rival = threading.Thread(target=lambda: (fanout.announce(story, 2), connection.close(), overtaken.set()))
        rival.start()
        rival.join(timeout=0.2)  # it waits for the mark, if that is locked

    with before("INSERT INTO .notifications_notification", other_does_it):
        fanout.announce(story, 2)
    assert overtaken.wait(30)
    assert told() == {story: FOLLOWERS}


def test_a_later_publication_goes_on_from_an_earlier_one(asha: ApiClient) -> None:
    """A job of a publication that is over ends; the one that follows tells those who are left, and nobody again."""
    followers = crowd(FOLLOWERS)
    make_followers(asha.person, followers)
    story = asha.published_story()["id"]
    pk = Story.objects.get().pk
    assert unit_of_work(lambda: fanout.tell_some(pk, 2))
    asha.unpublish(story, "2")
    fanout.announce(pk, 2)
    assert told() == {pk: 3}
    assert not Announcement.objects.get().done
    asha.publish(story, "3")
    fanout.announce(pk, 2)
    assert told() == {pk: 3}
    fanout.announce(pk, 4)
    assert told() == {pk: FOLLOWERS}
    call_command("verify", verbosity=0)


@pytest.mark.parametrize("moment", ["FOR KEY SHARE", "notifications_announcement", "INSERT INTO .notifications_notif"])
def test_a_story_that_is_deleted_meanwhile_leaves_no_notification(asha: ApiClient, moment: str) -> None:
    """Wherever in a batch its author deletes it: the deletion waits for the batch, or the batch finds nothing."""
    make_followers(asha.person, crowd(FOLLOWERS))
    story = asha.published_story()["id"]
    pk, answers = Story.objects.get().pk, []
    deleting = threading.Thread(target=lambda: (answers.append(asha.delete_story(story, "2")), connection.close()))

    def delete() -> None:
        deleting.start()
        deleting.join(timeout=0.3)  # it waits for the story, if that is held

    with before(moment, delete):
        fanout.announce(pk, 2)
    deleting.join(30)
    assert [answer["applied"] for answer in answers] == ["WRITTEN"]
    assert told() == {}
    assert not Announcement.objects.exists()


def test_who_begins_to_follow_meanwhile_is_told_too(bilal: ApiClient, asha: ApiClient) -> None:
    """The newest follower stands at the end of the list."""
    make_followers(asha.person, crowd(4))
    story = asha.published_story()["id"]
    with before("UPDATE .notifications_announcement", lambda: follow_elsewhere(bilal, asha)):
        announce(story)
    assert told() == {Story.objects.get().pk: 5}


def follow_elsewhere(one: ApiClient, other: ApiClient) -> None:
    thread = threading.Thread(target=lambda: (one.follow(other), connection.close()))
    thread.start()
    thread.join(30)


def test_many_followers_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """In batches of the real size, broken off once in the middle. Ten thousand of them in the exhaustive run."""
    monkeypatch.undo()
    many = depth.rounds(10_000, at_least=3 * fanout.BATCH + 1)
    author, followers = followed(many)
    (story,) = publish(author, 1)
    with before("INSERT INTO .notifications_notification", *[lambda: None] * 2, broken), pytest.raises(RuntimeError):
        fanout.announce(story, 2)
    assert told() == {story: 2 * fanout.BATCH}
    fanout.announce(story, 2)
    assert told() == {story: many}
    assert scalar("SELECT count(DISTINCT person_id) FROM notifications_notification") == len(followers)
    call_command("verify", verbosity=0)


# --- Marking read -----------------------------------------------------------------------------------------------


def test_of_two_devices_one_marks_a_notification_read(asha: ApiClient) -> None:
    """The other is told, with when it was read."""
    for _ in range(depth.rounds(20, at_least=5)):
        mine = told_of_a_day(asha)
        answers = race([lambda mine=mine: asha.mark_read(mine)] * 2)
        assert sorted(answer["__typename"] for answer in answers) == ["ConflictError", "NotificationSuccess"]
    assert query("SELECT DISTINCT version, read_changed FROM notifications_notification") == [(2, 2)]


# --- Screening again --------------------------------------------------------------------------------------------


def whispered(author: ApiClient, *texts: str) -> list[uuid.UUID]:
    """Whispers that were created in this order."""
    for text in texts:
        author.create_whisper(text)
    return list(Whisper.objects.order_by("pk").values_list("pk", flat=True))


def state() -> list[tuple[Any, ...]]:
    """Of each whisper: its text, whether it is marked, its version, the rules that found it, and its automatic reports."""
    return query(
        "SELECT text, nsfw, version, rules, (SELECT count(*) FROM moderation_report AS report "
        "WHERE report.whisper_id = whisper.id AND reporter_id IS NULL) "
        "FROM whispers_whisper AS whisper LEFT JOIN whispers_flag ON whisper_id = whisper.id ORDER BY whisper.id"
    )


SCREENED = [
    ("a scam", True, 2, ["scam"], 1),
    ("nothing", False, 1, None, 0),
    ("gore", True, 2, ["gore"], 0),
    ("gore, a scam", True, 2, ["gore", "scam"], 1),
]


@pytest.mark.parametrize("fault", [broken, lost])
def test_a_screening_goes_on_where_it_was_broken_off(asha: ApiClient, fault: Callable[[], None]) -> None:
    """At every statement of a batch, and then again: each whisper is marked, flagged and reported once."""
    whispered(asha, *(text for text, *_ in SCREENED))
    screen_for("REPORT", "scam")
    screen_for("FLAG", "gore")
    assert broken_off_everywhere(rescreening.rescreen, fault) >= 6
    assert state() == SCREENED
    assert Screening.objects.get().done
    call_command("verify", verbosity=0)


def test_two_workers_at_the_same_screening_find_everything_once(asha: ApiClient) -> None:
    """One waits for the other's batch."""
    whispered(asha, *(text for text, *_ in SCREENED), *["a scam"] * 10)
    screen_for("REPORT", "scam")
    screen_for("FLAG", "gore")
    race([rescreening.rescreen] * 3)
    assert state()[:4] == SCREENED
    assert Report.objects.count() == 12


def test_what_was_decided_is_not_undone(asha: ApiClient, bilal: ApiClient) -> None:
    """A report that was dismissed stays so, for the same word in another spelling, and for links whatever their limit."""
    make_moderator(bilal)
    screen_for("REPORT", "scam")
    links = "www.a.example www.b.example www.c.example www.d.example"
    made = [asha.create_whisper(text) for text in ("a scam", links, "a scam, and a fraud")]
    for one in made:
        assert bilal.resolve(one["report"]["id"])["applied"] == "WRITTEN"
    with connection.cursor() as cursor:
        cursor.execute("UPDATE whispers_policyword SET word = 'SCAM!'")
        cursor.execute(
            "INSERT INTO whispers_policy (id, most_links) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET most_links = 1"
        )
    screen_for("REPORT", "fraud")
    rescreening.rescreen()
    assert [(rules, reports) for *_, rules, reports in state()] == [
        (["scam"], 1),
        (["more than 3 links"], 1),
        (["scam", "fraud"], 2),
    ]
    open_ = Report.objects.get(status="OPEN")
    assert open_.reason == "Found on screening: fraud."
    call_command("verify", verbosity=0)


def test_what_is_reported_already_is_not_reported_again(asha: ApiClient) -> None:
    """While moderators have an automatic report of it, another finding joins the flag alone."""
    screen_for("REPORT", "scam")
    asha.create_whisper("a scam and a fraud")
    screen_for("REPORT", "fraud")
    rescreening.rescreen()
    assert state() == [("a scam and a fraud", True, 1, ["scam", "fraud"], 1)]
    assert Flag.objects.get().policy == scalar("SELECT number FROM whispers_policyversion")


def test_a_policy_that_changes_meanwhile_begins_at_the_beginning(asha: ApiClient) -> None:
    """Whatever had been screened by then is screened again."""
    whispered(asha, "gore", "a", "b", "c", "gore")
    screen_for("FLAG", "nothing")
    assert unit_of_work(rescreening.screen_some)
    screen_for("FLAG", "gore")
    rescreening.rescreen()
    assert [nsfw for _, nsfw, *_ in state()] == [True, False, False, False, True]


def test_a_whisper_that_is_deleted_meanwhile_leaves_nothing(asha: ApiClient) -> None:
    """It is gone before the batch holds it."""
    (whisper,) = whispered(asha, "gore")
    screen_for("FLAG", "gore")

    def delete() -> None:
        answer = asha.ask("{ viewer { whispers { edges { node { id } } } } }")
        (edge,) = answer["viewer"]["whispers"]["edges"]
        assert asha.delete_whisper(edge["node"]["id"])["applied"] == "WRITTEN"

    def elsewhere() -> None:
        thread = threading.Thread(target=lambda: (delete(), connection.close()))
        thread.start()
        thread.join(30)

    with before("FOR NO KEY UPDATE", elsewhere):
        rescreening.rescreen()
    assert not Whisper.objects.filter(pk=whisper).exists()
    assert not Flag.objects.exists()
    call_command("verify", verbosity=0)


def test_a_screening_is_not_done_before_everything_has_settled(
    asha: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whisper that was being created with the policy as it had been is found by a later job."""
    monkeypatch.setattr(rescreening, "SETTLED", timedelta(hours=1))
    whispered(asha, "gore")
    screen_for("FLAG", "gore")
    rescreening.rescreen()
    mark = Screening.objects.get()
    assert (mark.reached, mark.done, state()[0][1]) == (None, False, True)
    monkeypatch.setattr(rescreening, "SETTLED", timedelta(0))
    rescreening.rescreen()
    mark = Screening.objects.get()
    assert (mark.done, state()) == (True, [("gore", True, 2, ["gore"], 0)])


# --- The digest -------------------------------------------------------------------------------------------------


def test_each_moderator_has_one_digest_of_a_day(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """However often it is made, and broken off wherever; the figures are those of the first."""
    make_moderator(asha)
    make_moderator(bilal)
    reports = [asha.report(chitra.create_whisper()["whisper"]["id"])["report"]["id"] for _ in range(4)]
    bilal.resolve(reports[0])
    bilal.claim(reports[1])
    day = Report.objects.get(status="RESOLVED").updated_at.date()
    assert broken_off_everywhere(lambda: tell_moderators(day), broken) >= 3
    bilal.resolve(reports[1], version="2")
    race([lambda: tell_moderators(day)] * 3)
    digests = Notification.objects.filter(kind=NotificationKind.MODERATION_DIGEST)
    found = digests.order_by("person_id").values_list(
        "person_id", "day", "open_reports", "claimed_reports", "resolved_reports"
    )
    assert list(found) == [
        (person.pk, day, 2, 1, 1) for person in sorted((asha.person, bilal.person), key=lambda p: p.pk)
    ]
    tell_moderators(date(2020, 1, 1))
    assert Notification.objects.filter(day=date(2020, 1, 1), resolved_reports=0).count() == 2


@pytest.mark.parametrize("isolation", [None, IsolationLevel.SERIALIZABLE], ids=["read committed", "serializable"])
def test_all_digests_of_a_day_have_the_same_figures(
    asha: ApiClient,
    bilal: ApiClient,
    chitra: ApiClient,
    monkeypatch: pytest.MonkeyPatch,
    isolation: IsolationLevel | None,
) -> None:
    """The job runs twice at once, and in between another report is made and another moderator: only SERIALIZABLE sees it."""
    day, whispers = date(2020, 1, 1), [chitra.create_whisper()["whisper"]["id"] for _ in range(2)]
    make_moderator(asha)
    asha.report(whispers[0])
    ended: list[str] = []
    monkeypatch.setattr(metrics, "aborted", lambda state, **_more: ended.append(state))
    monkeypatch.setattr(digest, "IsolationLevel", SimpleNamespace(SERIALIZABLE=isolation))

    def rival() -> None:
        Account.objects.filter(pk=asha.person.pk).update(is_moderator=False)
        make_moderator(bilal)
        bilal.report(whispers[1])
        tell_moderators(day)
        Account.objects.filter(pk=asha.person.pk).update(is_moderator=True)

    with before(r'INSERT INTO "notifications_notification"', lambda: elsewhere(rival)):
        tell_moderators(day)
    told = dict(Notification.objects.filter(day=day).values_list("person_id", "open_reports"))
    assert told == {bilal.person.pk: 2, asha.person.pk: 2 if isolation else 1}
    assert ended == ([SERIALIZATION_FAILURE] if isolation else [])
    assert ({result.check.name for result in verify.results() if result.broken} == {"one_digest_of_a_day"}) != bool(
        isolation
    )
