"""Leaving against everything that may happen to that person at the same moment; and the sweeping by several, and cut short."""

import itertools
import random
import signal
import threading
import time
import uuid
from functools import partial
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.backends.base.base import BaseDatabaseWrapper

from backend.engine import metrics
from backend.engine.errors import Busy
from backend.engine.transactions import unit_of_work
from backend.erasure import sweeping
from backend.management.commands import token
from backend.moderation import erasure as reports
from backend.moderation.models import Report
from backend.people import actions
from backend.people.models import AccessToken, Account, Departure, Person
from backend.reading.models import Reading
from backend.stories.models import StoryTally
from backend.whispers.models import Whisper
from schema.nodes import from_id, to_id
from tests import depth
from tests.api import PASSWORD, ApiClient, join
from tests.departure_fixture import KEPT, DepartureFixture, done, leave, left_of, live
from tests.races.leaving_acts import ACTS, BEFORE_IT, HERS, fought_over
from tests.races.rivals import PATIENCE_SECONDS, Rival, elsewhere, is_blocked, race, until
from tests.races.rows import assert_verified, crowd
from tests.schema.mutation_fixture import MUTATIONS
from tests.working import all_done, jobs, make_followers, start_worker, work_off

pytestmark = pytest.mark.django_db(transaction=True)

REFUSED = {"UNAUTHENTICATED", "NOT_FOUND", "FORBIDDEN", "BUSY", "CONFLICT", "INVALID"}


def deadlocks() -> float:
    """How many circles of this process PostgreSQL has broken up."""
    (metric,) = metrics.DEADLOCKS.collect()
    return sum(sample.value for sample in metric.samples if sample.name.endswith("_total"))


def row_id(global_id: str) -> uuid.UUID:
    """The key of the row with this id."""
    found = from_id(global_id)
    assert found is not None
    return found[1][0]


def assert_nothing_of(life: DepartureFixture) -> None:
    """Everything is swept, nothing came after, and all that must hold does."""
    me = life.asha.person.pk
    assert set(left_of(me)) <= KEPT
    row = Person.objects.get(pk=me)
    assert (row.name, row.bio) == ("", "")
    assert not AccessToken.objects.filter(account_id=me).exists()
    assert_verified()


def test_every_mutation_is_tried() -> None:
    """A new one has to be."""
    assert {name.partition("-")[0] for name in HERS} == {*MUTATIONS, "signOut"}


AT_ONCE = [
    *("her changePassword", "her deleteAccount", "her revokeToken", "her signIn", "her placeOrder", "her deleteStory"),
    *("their follow", "their recordView", "their placeOrder", "their report", "their takeDown", "their deleteAccount"),
    *("their announce-hers", "their sweep-bilal"),
]
"""One of each kind of lock that may be in the way. The others are tried in the crowd below, and late in the exhaustive run."""
LATE = [*AT_ONCE, *depth.some([act for act in ACTS if act not in AT_ONCE], 8)]


@pytest.mark.parametrize("act", AT_ONCE)
def test_whatever_happens_at_the_same_moment(act: str) -> None:
    """It is done before she leaves and swept, or it is refused; never something in between, nor a circle of locks."""
    life, before = fought_over(), deadlocks()
    left, other = race([partial(life.asha.delete_account, PASSWORD), partial(ACTS[act], life)])
    if left["__typename"] != "AccountDeleted":  # the other one was quicker, with her password or all of her account
        assert act in ("her changePassword", "her deleteAccount")
        assert left["code"] in REFUSED
        if act == "her changePassword":
            assert life.asha.delete_account("another good password")["__typename"] == "AccountDeleted"
    assert other.get("code", "NOT_FOUND") in REFUSED, other
    assert_verified()
    work_off()
    sweeping.sweep(life.asha.person.pk)
    assert_nothing_of(life)
    assert deadlocks() == before


@pytest.mark.parametrize("act", LATE)
def test_what_began_before_and_is_late(act: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """She leaves, and all is swept, just before its COMMIT, as far as that need not wait for it: no row of it is left.

    All acts are tried in the exhaustive run, otherwise one of each kind of lock and some others.
    """
    life, circles = fought_over(), deadlocks()
    begun, swept = threading.Event(), threading.Event()
    late = threading.local()
    before = unit_of_work.__globals__["_require_committable"]

    def require_committable(of: BaseDatabaseWrapper) -> None:
        before(of)
        if getattr(late, "units", 0) > 0:
            late.units -= 1
            if not late.units:
                begun.set()
                swept.wait(PATIENCE_SECONDS)

    monkeypatch.setitem(unit_of_work.__globals__, "_require_committable", require_committable)

    def act_late() -> Any:
        late.units = 1 + BEFORE_IT.get(act, 0)
        try:
            return ACTS[act](life)
        finally:
            begun.set()

    rival = Rival(act_late)
    assert begun.wait(PATIENCE_SECONDS)
    leaving = Rival(lambda: life.asha.delete_account(PASSWORD))
    until(lambda: is_blocked(leaving.pid) or leaving.has_ended(), "her leaving to end, or to wait")
    sweeper = Rival(lambda: sweeping.sweep(life.asha.person.pk))
    until(lambda: is_blocked(sweeper.pid) or sweeper.has_ended(), "the sweeping to end, or to wait")
    swept.set()
    for one in (rival, leaving, sweeper):
        one.result()
    assert deadlocks() == circles
    if not Person.objects.filter(pk=life.asha.person.pk, left_at__isnull=False).exists():
        assert act == "her changePassword"
        return
    sweeping.sweep(life.asha.person.pk)
    assert_nothing_of(life)


def test_a_row_that_was_inserted_before_and_commits_after() -> None:
    """The commit waits for nothing: it is refused, as busy, because somebody it refers to has left meanwhile."""
    life = live()

    def whisper() -> None:
        Whisper.objects.bulk_create([Whisper(author_id=life.asha.person.pk, text="Late.")])
        elsewhere(lambda: leave(life.asha))
        elsewhere(lambda: sweeping.sweep(life.asha.person.pk))

    with pytest.raises(Busy):
        unit_of_work(whisper)
    assert_nothing_of(life)


def test_two_workers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each goes on from where the other has come, while others read what she read."""
    monkeypatch.setattr(sweeping, "BATCH", 2)
    life = live()
    leave(life.asha)
    readers = [join(f"reader{number}") for number in range(3)]
    works = [partial(sweeping.sweep, life.asha.person.pk)] * 3
    answers = race([*works, *(partial(one.record_view, life.ids["theirs"]) for one in readers)])
    assert [answer["counted"] for answer in answers[3:]] == [True] * 3
    assert_nothing_of(life)
    counts = StoryTally.objects.values_list("count", flat=True)
    assert sum(counts) == 1 + len(readers) == Reading.objects.count()


def test_workers_killed_at_random_points_sweep_everything(served_database: str) -> None:
    """`kill -9` again and again while they work; then one is left to do the rest."""
    people = [ApiClient(None, one) for one in crowd(depth.rounds(700, at_least=250))]
    life = live()
    make_followers(life.asha.person, [one.person for one in people])
    work_off()
    leave(life.asha)
    for _ in range(depth.rounds(3, at_least=2)):
        worker = start_worker(served_database)
        try:
            until(lambda: jobs("doing") > 0 or all_done(), "it has begun")
            time.sleep(random.uniform(0, 0.1))
        finally:
            worker.send_signal(signal.SIGKILL)
            worker.wait()
        call_command("verify", verbosity=0)
    worker = start_worker(served_database)
    try:
        until(all_done, "everything is swept")
    finally:
        worker.kill()
        worker.wait()
    assert Departure.objects.get(pk=life.asha.person.pk).done
    assert_nothing_of(life)


def test_reports_go_in_one_order() -> None:
    """Of a story that is deleted, and by somebody who has left: neither waits for the other in a circle."""
    life, before = live(), deadlocks()
    story, chapter = (row_id(life.ids[f"about {name}"]) for name in ("read", "chapter of read"))
    done(life.dev.claim(to_id("Report", story)))  # the row lies behind the other one now
    things = Report.objects.in_bulk([story, chapter])

    def hold() -> list[Rival]:
        list(Report.objects.filter(pk=chapter).select_for_update())
        told = {"story": [things[story].story_id], "chapter": [things[chapter].chapter_id]}
        works = [lambda: reports.resolve_reports(**told), lambda: reports.sweep_person(life.chitra.person.pk, 200)]
        return [Rival(lambda work=work: unit_of_work(work)).until_it_waits() for work in works]

    for rival in unit_of_work(hold):
        rival.result()
    assert deadlocks() == before


def test_a_token_that_is_handed_out_as_they_leave(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """`manage.py token` makes it before, and it is revoked with the others, or makes none."""
    life = live()
    leaving: list[Rival] = []

    def new_token(account: Account) -> str:
        leaving.append(Rival(lambda: leave(life.asha)).until_it_waits())
        return actions.new_token(account)

    monkeypatch.setattr(token, "new_token", new_token)
    call_command("token", "asha")
    leaving[0].result()
    assert not AccessToken.objects.filter(account_id=life.asha.person.pk).exists()
    with pytest.raises(CommandError, match="nobody"):
        call_command("token", "asha")


@pytest.mark.parametrize("batch", depth.some([1, 3], 1))
def test_everything_at_once(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All acts in some order, on five devices; at one of them she leaves and is swept by two.

    The exhaustive run does it in larger batches too.
    """
    monkeypatch.setattr(sweeping, "BATCH", batch)
    life, before = fought_over(), deadlocks()
    twice = ("her changePassword", "her deleteAccount", "their sweep-bilal")
    acts = [act for name, act in ACTS.items() if name not in twice]
    random.shuffle(acts)
    begun, left = threading.Semaphore(0), itertools.count(random.randrange(len(acts)), -1)

    def some(part: int) -> None:
        for act in acts[part::5]:
            if next(left) == 0:
                begun.release()
            act(life)

    def go() -> None:
        assert begun.acquire(timeout=PATIENCE_SECONDS)
        leave(life.asha)
        race([partial(sweeping.sweep, life.asha.person.pk)] * 2)

    race([*(partial(some, part) for part in range(5)), go])
    assert_verified()
    work_off()
    sweeping.sweep(life.asha.person.pk)
    assert_nothing_of(life)
    assert deadlocks() == before
