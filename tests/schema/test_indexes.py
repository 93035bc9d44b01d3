"""Each list is read from its index."""

import uuid
from dataclasses import replace
from itertools import product

import pytest
from django.core.management import call_command
from django.db import connection

from backend.market import queries as market
from backend.market.models import Edition
from backend.moderation import queries as moderation_queries
from backend.moderation.models import ReportStatus
from backend.notifications import queries as notifications
from backend.pages import Window
from backend.people.models import Person
from backend.reading import queries as reading
from backend.reading.models import Reading
from backend.social import queries as social
from backend.stories import lists
from backend.stories.lists import StoryOrder, Wanted
from backend.stories.models import Story
from backend.whispers import queries as whispers
from tests.explaining import Explained
from tests.worlds import MadeOnce


@pytest.fixture(scope="module")
def many(made_once: MadeOnce) -> None:
    """Some thousands of people, the same for all."""
    made_once(lambda: call_command("demo", people=2_000, stories=3_000, editions=2_000, orders=4_000, verbosity=0))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def wanted_lists(author: uuid.UUID) -> list[Wanted]:
    """Each way in which a list of stories can be asked for, and some at once."""
    rare, common = str(Story.objects.earliest("id").pk)[:8], "the"
    return [
        Wanted(),
        Wanted(author=author),
        Wanted(without_warnings=["HATE", "GORE"]),
        Wanted(text=rare),
        Wanted(text=common),
        Wanted(author=author, text=common, without_warnings=["GORE"]),
        Wanted(drafts=True),
        Wanted(drafts=True, text=rare),
    ]


@pytest.mark.parametrize("window", [Window(20), Window(20, backward=True)], ids=["forward", "backward"])
def test_pages_are_read_from_their_indexes(many: None, monkeypatch: pytest.MonkeyPatch, window: Window) -> None:
    """With some thousands of people no list reads a table from its beginning, nor do the totals."""
    monkeypatch.setattr(lists, "NEAR", 100)  # as small a part of this table as it is of a large one
    known = Person.objects.order_by("joined_at")[:20]
    viewer, owners = known[0].pk, [one.pk for one in known]
    places = list(Reading.objects.all()[:20])
    printed = [edition.story_id for edition in Edition.objects.all()[:20]]
    explained = Explained()
    with connection.execute_wrapper(explained):
        for kind in (social.FOLLOWERS, social.FOLLOWING):
            social.lists(kind, owners[:1], window, viewer=viewer)
            social.list_totals(kind, owners[:1], viewer=viewer)
        lists.feed(window, viewer=viewer, mature=False)
        lists.by_authors(owners[:1], window, viewer=viewer, mature=False)
        lists.on_shelf(viewer, window)
        for wanted, order in product(wanted_lists(owners[1]), StoryOrder):
            lists.stories(wanted, order, window, viewer=viewer, mature=False)
        reading.of_reader(viewer, window)
        whispers.of_everybody(window)
        whispers.of_followed(window, viewer=viewer, mature=False)
        whispers.by_authors(owners[:1], window, viewer=viewer, mature=False)
        for status in (None, *ReportStatus):
            moderation_queries.reports(status, replace(window, oldest_first=True), moderator=viewer)
        reading.changed_chapters(places, viewer=viewer)
        market.published_editions(window, viewer=viewer, mature=False)
        market.editions_of(printed, window, viewer=viewer)
        for unread in (None, True, False):
            notifications.of_person(viewer, window, unread=unread, mature=False)
        notifications.unread_count(viewer, mature=False)
        market.orders_by(viewer, window)
        market.orders_from(owners[1], window)
    assert len(explained.plans) >= 10
    for plan in explained.plans:
        # Those about to be swept are so few that no index of them is worth its while.
        assert "Seq Scan" not in plan.replace("Seq Scan on people_departure", ""), plan
