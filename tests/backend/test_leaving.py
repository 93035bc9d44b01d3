"""Sweeping what somebody left behind: all of it, in small steps of which each leaves everything sound."""

import re
from datetime import date

import pytest
from django.db import IntegrityError, connection, transaction

from backend.engine.transactions import unit_of_work
from backend.erasure import sweeping
from backend.market.models import Edition, Order
from backend.moderation.models import Report
from backend.notifications.models import Notification, NotificationKind
from backend.people.models import Departure, Person
from backend.reading.models import Reading, View
from backend.stories.models import Chapter, Shelf, Story
from backend.whispers.models import Whisper
from schema.nodes import to_id
from tests import depth
from tests.api import ApiClient
from tests.departure_fixture import KEPT, DepartureFixture, done, leave, left_of, live
from tests.explaining import Explained
from tests.races.rows import assert_verified, crowd
from tests.working import all_done, jobs, make_followers, work_off

pytestmark = pytest.mark.django_db(transaction=True)


def rows(model: type) -> dict[str, str]:
    """The status of each row, by its global id."""
    return {to_id(model.__name__, row.pk): row.status for row in model.objects.all()}  # type: ignore[attr-defined]


def assert_swept(life: DepartureFixture) -> None:
    """Nothing is left but what orders need, and the others have what they had."""
    me = life.asha.person.pk
    assert set(left_of(me)) == KEPT
    assert Departure.objects.get(pk=me).done
    assert [(story.title, story.summary, story.published_at) for story in Story.objects.filter(author_id=me)] == [
        ("", "", None)
    ]
    assert not Chapter.objects.filter(story__author_id=me).exists()
    assert Shelf.objects.get(pk=me).story_count == 1
    assert [to_id("Edition", one.pk) for one in Edition.objects.filter(author_id=me)] == [life.ids["edition"]]
    assert Whisper.objects.count() == 1
    ids = life.ids
    assert rows(Order) == {ids["placed"]: "CANCELLED", ids["shipped"]: "SHIPPED", ids["bought"]: "CANCELLED"}
    assert rows(Report) == {ids["claimed by asha"]: "OPEN", ids["settled by asha"]: "RESOLVED"}
    assert life.bilal.stock_of(ids["edition of bilal"]) == 5
    bilal = life.chitra.ask('{ person(handle: "bilal") { followerCount followingCount storyCount } }')["person"]
    assert bilal == {"followerCount": 0, "followingCount": 0, "storyCount": 1}
    story = life.chitra.ask("query ($id: ID!) { story(id: $id) { viewCount } }", id=ids["theirs"])["story"]
    assert story == {"viewCount": 1}
    assert life.bilal.titles() == []


@pytest.mark.parametrize("batch", depth.some([3, 1, 200], 1))
def test_each_step_leaves_everything_sound(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """`verify` holds when they have left, after every batch, and when nothing is left.

    Only in the exhaustive run: batches of one row, and of more than there are.
    """
    monkeypatch.setattr(sweeping, "BATCH", batch)
    life = live()
    assert_verified()
    leave(life.asha)
    assert_verified()
    steps = 1
    while unit_of_work(lambda: sweeping.sweep_some(life.asha.person.pk)):
        assert_verified()
        steps += 1
    assert_swept(life)
    assert_verified()
    assert steps > (20 if batch == 1 else 5)
    assert not unit_of_work(lambda: sweeping.sweep_some(life.asha.person.pk))


def test_a_story_that_was_unpublished_is_swept_as_soundly(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has kept its rank, which is never above the views that are left."""
    monkeypatch.setattr(sweeping, "BATCH", 1)
    story = asha.published_story()["id"]
    for reader in (bilal, chitra):
        done(reader.record_view(story))
    done(asha.unpublish(story, "2"))
    leave(asha)
    while unit_of_work(lambda: sweeping.sweep_some(asha.person.pk)):
        assert_verified()
    assert not Story.objects.exists()
    assert_verified()


def test_a_reader_of_several_stories_is_swept_step_by_step(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step takes a place together with its views, and leaves those of another story for the next one."""
    monkeypatch.setattr(sweeping, "BATCH", 1)
    for version in ("0", "1", "2"):
        story = asha.published_story(version)["id"]
        for reader in (bilal, chitra):
            done(reader.record_view(story))
    leave(bilal)
    while unit_of_work(lambda: sweeping.sweep_some(bilal.person.pk)):
        assert_verified()
    assert set(View.objects.values_list("reader_id", flat=True)) == {chitra.person.pk}
    assert View.objects.count() == Reading.objects.count() == 3


def test_a_job_sweeps() -> None:
    """The leaving defers it, in its own transaction; doing it twice is doing it once."""
    life = live()
    work_off()
    leave(life.asha)
    assert jobs("todo") == 1
    work_off()
    assert all_done()
    assert_swept(life)
    sweeping.sweep(life.asha.person.pk)
    assert_swept(life)
    assert_verified()


def test_both_sides_of_an_order_may_leave() -> None:
    """Each finds what the other's sweeping has left."""
    life = live()
    for one in (life.asha, life.bilal):
        leave(one)
        sweeping.sweep(one.person.pk)
        assert_verified()
    assert set(left_of(life.bilal.person.pk)) <= KEPT
    assert_verified()


def test_nothing_new_can_belong_to_them() -> None:
    """The database itself refuses a row, whoever writes it."""
    life = live()
    leave(life.asha)
    with pytest.raises(IntegrityError, match="somebody who has left"), transaction.atomic():
        Whisper.objects.bulk_create([Whisper(author_id=life.asha.person.pk, text="Still here.")])
    with pytest.raises(IntegrityError, match="somebody who has left"), transaction.atomic():
        Report.objects.filter(reporter_id=life.chitra.person.pk).exclude(about_id=life.asha.person.pk).update(
            claimed_by_id=life.asha.person.pk, version=3, state_changed=3
        )


def test_the_profile_goes_at_once() -> None:
    """Only the handle stays, so that nobody else gets it."""
    life = live()
    leave(life.asha)
    row = Person.objects.get(pk=life.asha.person.pk)
    assert (row.handle, row.name, row.bio, row.left_at is not None) == ("asha", "", "", True)


MUCH = (
    "social_relationship|whispers_whisper|stories_story|moderation_report|reading_reading|reading_view|"
    "notifications_notification"
)
"""Tables that are large enough for an index to be worth its while."""


def test_a_part_of_much_is_found_by_an_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of somebody who has most of the rows, the next few are found without looking through those of others."""
    much = depth.rounds(2_000, at_least=800)
    life, others = live(), crowd(much)
    me = life.asha.person
    make_followers(me, others)
    story = Story.objects.get(author=me, title="Read").pk
    Whisper.objects.bulk_create(Whisper(author=one, text="Psst.") for one in [*others, *[me] * 2 * much])
    Story.objects.bulk_create((Story(author=one, title="Much") for one in [*others, *[me] * much]), batch_size=1_000)
    for about in (me, life.bilal.person):
        Report.objects.bulk_create(Report(about=about, person=about, reporter=one, reason="Look.") for one in others)
    Reading.objects.bulk_create(Reading(story_id=story, reader=one) for one in others)
    View.objects.bulk_create(View(story_id=story, reader=one, day=date(2020, 1, 1)) for one in others)
    Notification.objects.bulk_create(
        Notification(person=one, kind=NotificationKind.STORY_PUBLISHED, story_id=story) for one in others
    )
    leave(life.asha)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    monkeypatch.setattr(sweeping, "BATCH", 2)
    explained = Explained()
    for stage in range(len(sweeping.stages())):
        Departure.objects.update(stage=stage, reached=None)
        for _ in range(5):  # some of which are of the story with the many readers
            with connection.execute_wrapper(explained):
                unit_of_work(lambda: sweeping.sweep_some(me.pk))
    assert len(explained.plans) > 100
    for plan in explained.plans:
        assert not re.search(rf"Seq Scan on ({MUCH})\b", plan), plan
        assert not re.search(r"Scan using \w+_pkey on .*\n *Filter:", plan), plan
