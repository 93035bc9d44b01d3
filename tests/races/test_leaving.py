"""Leaving against everything that may happen to that person at the same moment; and the sweeping by several, and cut short."""

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from django.core.management import call_command

from backend.engine.errors import Busy
from backend.engine.transactions import unit_of_work
from backend.people import sweeping
from backend.people.models import AccessToken, Departure, Person
from backend.reading.models import Reading
from backend.stories.models import StoryTally
from backend.whispers.models import Whisper
from tests.api import PASSWORD, Caller, join
from tests.leaving import KEPT, Life, leave, left_of, live
from tests.races.desk import assert_verified
from tests.races.rivals import Rival, elsewhere, is_blocked, race, until
from tests.races.rows import crowd
from tests.working import all_done, empty_queue, jobs, make_followers, start_worker, work_off

pytestmark = pytest.mark.django_db(transaction=True)

SIGN_IN = (
    'mutation ($p: String!) { signIn(handle: "asha", password: $p) { __typename ... on SignSuccess { token } '
    "... on Failure { code } } }"
)
REFUSED = {"UNAUTHENTICATED", "NOT_FOUND", "FORBIDDEN", "BUSY", "CONFLICT"}
Act = Callable[[Life], Any]

HERS: dict[str, Act] = {
    "follow": lambda life: life.asha.follow(life.chitra, "0"),
    "updateProfile": lambda life: life.asha.update_profile({"bio": "Still here."}, "2", key=key()),
    "createWhisper": lambda life: life.asha.create_whisper("Still here."),
    "createStory": lambda life: life.asha.create_story("3", title="Still here", key=key()),
    "publishStory": lambda life: life.asha.publish(life.ids["draft"], "2"),
    "updateStory": lambda life: life.asha.update_story(life.ids["ordered"], {"title": "Still here"}, "3"),
    "recordView": lambda life: life.asha.record_view(life.ids["theirs"], None, policy="FURTHEST"),
    "report": lambda life: life.asha.report(life.bilal.id),
    "placeOrder": lambda life: life.asha.place_order((life.ids["edition of bilal"], 1)),
    "updateOrder": lambda life: life.asha.update_order(life.ids["placed"], "CONFIRMED", "1"),
    "createEdition": lambda life: life.asha.create_edition(life.ids["read"]),
    "claimReport": lambda life: life.asha.claim(life.ids["about ordered"]),
    "changePassword": lambda life: life.asha.change_password(PASSWORD, "another good password", key()),
    "signIn": lambda _life: Caller().ask(SIGN_IN, p=PASSWORD)["signIn"],
    "deleteAccount": lambda life: life.asha.delete_account(PASSWORD, key()),
}
"""What she does on another device."""
OF_OTHERS: dict[str, Act] = {
    "follow": lambda life: join("gita").follow(life.asha),
    "block": lambda life: life.chitra.block(life.asha),
    "unfollow": lambda life: life.bilal.unfollow(life.asha, "1"),
    "recordView": lambda life: join("gita").record_view(life.ids["read"]),
    "report": lambda life: life.bilal.report(life.ids["flagged"]),
    "report-person": lambda life: life.chitra.report(life.asha.id),
    "placeOrder": lambda life: life.bilal.place_order((life.ids["edition"], 1)),
    "updateOrder": lambda life: life.bilal.update_order(life.ids["bought"], "CONFIRMED", "1"),
    "resolveReport": lambda life: life.dev.resolve(life.ids["about whisper"], "REMOVED"),
    "takeDown": lambda life: life.dev.resolve(life.ids["about read"], "REMOVED"),
    "sweep": lambda life: sweeping.sweep(life.asha.person.pk) or {},
}
"""What others do with her, or with something of hers."""
ACTS = {
    **{f"her {name}": act for name, act in HERS.items()},
    **{f"their {name}": act for name, act in OF_OTHERS.items()},
}


@pytest.fixture(autouse=True)
def queue() -> Iterator[None]:
    """The queue's tables are not swept away with the others."""
    empty_queue()
    yield
    empty_queue()


def key() -> str:
    """A key that nobody has used."""
    return str(Person._meta.pk.get_default())  # type: ignore[union-attr]


def assert_nothing_of(life: Life) -> None:
    """Everything is swept, nothing came after, and all that must hold does."""
    me = life.asha.person.pk
    assert set(left_of(me)) <= KEPT
    row = Person.objects.get(pk=me)
    assert (row.name, row.bio) == ("", "")
    assert not AccessToken.objects.filter(account_id=me).exists()
    assert_verified()


@pytest.mark.parametrize("act", ACTS)
def test_whatever_happens_at_the_same_moment(act: str) -> None:
    """It is done before she leaves and swept, or it is refused; never something in between."""
    life = live()
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


@pytest.mark.parametrize("act", ACTS)
def test_what_began_before_and_is_late(act: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """She leaves, and all is swept, just before its COMMIT, as far as that need not wait for it: no row of it is left."""
    life = live()
    begun, swept = threading.Event(), threading.Event()
    late = threading.local()
    before = unit_of_work.__globals__["_require_committable"]

    def require_committable() -> None:
        before()
        if getattr(late, "waits", False):
            late.waits = False
            begun.set()
            swept.wait(20)

    monkeypatch.setitem(unit_of_work.__globals__, "_require_committable", require_committable)

    def act_late() -> Any:
        late.waits = True
        try:
            return ACTS[act](life)
        finally:
            begun.set()

    rival = Rival(act_late)
    assert begun.wait(20)
    leaving = Rival(lambda: life.asha.delete_account(PASSWORD))
    until(lambda: is_blocked(leaving.pid) or leaving.has_ended(), "her leaving to end, or to wait")
    sweeper = Rival(lambda: sweeping.sweep(life.asha.person.pk))
    until(lambda: is_blocked(sweeper.pid) or sweeper.has_ended(), "the sweeping to end, or to wait")
    swept.set()
    for one in (rival, leaving, sweeper):
        one.result()
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
    people = [Caller(None, one) for one in crowd(700)]
    life = live()
    make_followers(life.asha.person, [one.person for one in people])
    work_off()
    leave(life.asha)
    for _ in range(3):
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
