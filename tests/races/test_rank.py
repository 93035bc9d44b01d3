"""Races on a story's rank: never above its views, exact while they are few, near when they are many."""

import threading
from collections.abc import Callable
from itertools import pairwise

import pytest
from django.db import connection, transaction

from backend.engine import pipeline, tallies
from backend.engine.transactions import unit_of_work
from backend.engine.versions import Expected
from backend.people.models import Person
from backend.stories import rank
from backend.stories.models import Story, StoryTally
from resolvers import reading
from tests import depth
from tests.api import ApiClient
from tests.races.rivals import Rival, race, said
from tests.races.rows import assert_sound, crowd, query, scalar

pytestmark = pytest.mark.django_db(transaction=True)

TIMES = depth.rounds(150, at_least=60)

RANK = "SELECT views FROM stories_storyrank WHERE story_id = %s"
TOTAL = "SELECT coalesce(sum(count), 0) FROM stories_storytally WHERE subject_id = %s AND kind = 'views'"
BOTH = f"SELECT ({RANK}), ({TOTAL})"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


@pytest.fixture
def story(asha: ApiClient) -> Story:
    """A story that everybody can read."""
    asha.published_story()
    return Story.objects.get()


def view(reader: Person, story: Story) -> str:
    """Somebody reads it for the first time today."""
    return said(lambda: reading.record_view(reader, story=story.pk, place=None, expect=Expected(0), key=None))


COUNT = f"""
WITH raised AS (
    {tallies.raising(StoryTally, "SELECT %s::uuid, 'views', 0, 1")}, raised.subject_id AS story_id, ({TOTAL}) AS before
), ranked AS ({rank.counted(one=True)}) SELECT count, before FROM raised
"""


def count_views(story: Story, times: int = 1) -> None:
    """What counting a view writes that many readers share, in the engine's way."""
    for _ in range(times):

        def work() -> None:
            ((in_slot, before),) = query(COUNT, story.pk, story.pk)
            rank.raised(story.pk, in_slot, before)

        unit_of_work(work)


def count_views_by(naive: Callable[[], None], story: Story) -> None:
    """The same, but another way to write the rank."""

    def work() -> None:
        tallies.add(StoryTally, [(story.pk, "views", 1)])
        naive()

    unit_of_work(work)


def add_slots(story: Story, *counts: int) -> None:
    """The story has had views, in these slots."""
    StoryTally.objects.bulk_create(
        StoryTally(subject=story, kind="views", slot=slot, count=views) for slot, views in enumerate(counts)
    )


def test_many_readers_at_once_are_ranked_exactly_while_they_are_few(story: Story) -> None:
    """Each sees only its own view before it commits, and no view is missing afterwards."""
    readers, deadlocks = crowd(rank.SMALL), scalar(DEADLOCKS)
    results = race([lambda n=n: [view(one, story) for one in readers[n::8]] for n in range(8)])
    assert [one for some in results for one in some] == ["WRITTEN"] * len(readers)
    assert query(BOTH, story.pk, story.pk) == [(len(readers), len(readers))]
    assert scalar(DEADLOCKS) == deadlocks
    assert_sound()


def test_many_views_are_ranked_nearly_and_never_too_high(story: Story) -> None:
    """At every moment, by anybody's snapshot; and once all have come, at most fifteen views of a slot are missing."""
    done = threading.Event()
    deadlocks = scalar(DEADLOCKS)

    def watch() -> list[tuple[int, int]]:
        seen = []
        while not done.is_set():
            seen += query(BOTH, story.pk, story.pk)
        return seen

    watcher = Rival(watch)
    race([lambda: count_views(story, times=TIMES) for _ in range(8)])
    done.set()
    seen = watcher.result()
    assert len(seen) > 10
    assert all(ranked <= total for ranked, total in seen)
    assert all(one[0] <= other[0] for one, other in pairwise(seen)), "a rank went down"
    ((ranked, total),) = query(BOTH, story.pk, story.pk)
    assert total == 8 * TIMES
    assert scalar("SELECT count(*) FROM stories_storytally") <= 8
    assert total - 8 * (rank.EVERY - 1) <= ranked <= total
    assert scalar(DEADLOCKS) == deadlocks


def test_after_the_first_views_most_readers_leave_the_row_alone(story: Story) -> None:
    """While somebody holds the row, a reader whose slot is not due does not wait for it."""
    (reader,) = crowd(1)
    add_slots(story, rank.SMALL)
    with transaction.atomic():
        query("SELECT 1 FROM stories_storyrank FOR UPDATE")
        assert Rival(lambda: view(reader, story)).result() == "WRITTEN"
        StoryTally.objects.update(count=rank.SMALL + rank.EVERY - 1)
    with transaction.atomic():
        query("SELECT 1 FROM stories_storyrank FOR UPDATE")
        due = Rival(lambda: count_views(story)).until_it_waits()
    due.result()
    assert query(BOTH, story.pk, story.pk) == [(rank.SMALL + rank.EVERY,) * 2]


def test_of_two_sums_the_later_one_cannot_lower_the_rank(story: Story) -> None:
    """Who has summed up early and comes late finds more in the row than they have counted."""
    add_slots(story, 20)
    with transaction.atomic():
        query("SELECT 1 FROM stories_storyrank FOR UPDATE")
        late = Rival(lambda: unit_of_work(lambda: rank.raised(story.pk, rank.EVERY, rank.SMALL))).until_it_waits()
        StoryTally.objects.update(count=500)
        unlock_with(story, 500)
    late.result()
    assert query(BOTH, story.pk, story.pk) == [(500, 500)]


def test_a_sum_does_not_include_views_that_are_being_subtracted(story: Story) -> None:
    """It waits for who subtracts them before it looks at the slots: a sum of what it saw before would be too high."""
    add_slots(story, rank.EVERY, 20)
    with transaction.atomic():
        StoryTally.objects.filter(slot=1).update(count=10)
        rank.lowered(story.pk)
        pipeline.current().flush()
        late = Rival(lambda: unit_of_work(lambda: rank.raised(story.pk, rank.EVERY, rank.SMALL))).until_it_waits()
    late.result()
    assert query(BOTH, story.pk, story.pk) == [(rank.EVERY + 10,) * 2]


def unlock_with(story: Story, views: int) -> None:
    """What another sum wrote that ended first."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE stories_storyrank SET views = %s WHERE story_id = %s", [views, story.pk])


# --- The same with naive code, which gets it wrong --------------------------------------------------------------

NAIVE_SUM = f"UPDATE stories_storyrank SET views = ({TOTAL}) WHERE story_id = %s"


def test_to_sum_up_each_view_loses_some_of_few(story: Story) -> None:
    """Two who count at once do not see each other's view: whoever comes last writes a total without the other's."""

    def naive() -> None:
        with connection.cursor() as cursor:
            cursor.execute(NAIVE_SUM, [story.pk, story.pk])

    with transaction.atomic():
        query("SELECT 1 FROM stories_storyrank FOR UPDATE")
        both = [Rival(lambda: count_views_by(naive, story)).until_it_waits() for _ in range(2)]
    for rival in both:
        rival.result()
    assert query(BOTH, story.pk, story.pk) == [(1, 2)]


def test_to_write_a_sum_as_it_is_lowers_the_rank(story: Story) -> None:
    """The late sum of above, without a look at what is there."""
    add_slots(story, 20)

    def naive() -> None:
        with connection.cursor() as cursor:
            cursor.execute(NAIVE_SUM, [story.pk, story.pk])

    with transaction.atomic():
        query("SELECT 1 FROM stories_storyrank FOR UPDATE")
        late = Rival(naive).until_it_waits()
        StoryTally.objects.update(count=500)
        unlock_with(story, 500)
    late.result()
    assert query(BOTH, story.pk, story.pk) == [(20, 500)]
