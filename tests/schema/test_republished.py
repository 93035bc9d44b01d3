"""A story that is published again stands where it stood: its first publication keeps the place."""

from importlib import import_module
from typing import Any

import pytest

from backend.moderation.models import Decision, ReportOutcome
from backend.stories.models import Revision, Story
from schema.nodes import to_id
from tests.api import ApiClient
from tests.api.moderation import make_moderator
from tests.api.notifications import announce
from tests.races.rows import assert_verified
from tests.schema.access_fixture import key_in
from tests.schema.unguarded import unguarded

pytestmark = pytest.mark.django_db(transaction=True)

DATES = "query ($id: ID!) { story(id: $id) { version publishedAt republishedAt } }"
LISTED = """
{
  stories { edges { cursor node { title } } }
  feed { edges { node { title } } }
  person(handle: "asha") { stories { edges { node { title } } } }
  mostRead: stories(orderBy: MOST_READ) { edges { node { title } } }
}
"""


def dates(who: ApiClient, story: str) -> Any:
    """When it was published, first and last."""
    return who.ask(DATES, id=story)["story"]


def titles(page: Any) -> list[str]:
    """Of a page, in its order."""
    return [edge["node"]["title"] for edge in page["edges"]]


def test_the_first_publication_keeps_the_place(asha: ApiClient, bilal: ApiClient) -> None:
    """In every list and feed; a cursor that was handed out before still leads to what comes after."""
    bilal.follow(asha)
    stories = [asha.published_story(str(n), title=title)["id"] for n, title in enumerate(("Old", "Middle", "New"))]
    before = bilal.ask(LISTED)
    first = dates(bilal, stories[0])
    assert first["republishedAt"] is None
    assert asha.unpublish(stories[0], "2")["applied"] == "WRITTEN"
    assert dates(asha, stories[0]) == {"version": "3", "publishedAt": None, "republishedAt": None}
    assert titles(bilal.ask(LISTED)["feed"]) == ["New", "Middle"]
    assert asha.publish(stories[0], "3")["applied"] == "WRITTEN"
    assert bilal.ask(LISTED) == before
    again = dates(bilal, stories[0])
    assert again["publishedAt"] == first["publishedAt"]
    assert again["republishedAt"] > first["publishedAt"]
    after = "query ($c: String) { stories(after: $c) { edges { node { title } } } }"
    assert titles(bilal.ask(after, c=before["stories"]["edges"][1]["cursor"])["stories"]) == ["Old"]
    assert_verified()


def test_it_does_so_however_often(asha: ApiClient) -> None:
    """The last time is in republishedAt."""
    story = asha.published_story()["id"]
    first, times = dates(asha, story)["publishedAt"], []
    for version in (2, 4, 6):
        asha.unpublish(story, str(version))
        answer = asha.publish(story, str(version + 1))
        assert answer["story"]["publishedAt"] == first
        times.append(dates(asha, story)["republishedAt"])
    assert times == sorted(set(times))
    assert_verified()


def test_a_story_that_moderators_took_down_keeps_it_too(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """It was published then."""
    story = asha.published_story()["id"]
    first = dates(asha, story)["publishedAt"]
    report = bilal.report(story)["report"]["id"]
    moderator = make_moderator(chitra)
    moderator.resolve(report, ReportOutcome.REMOVED.value)
    taken = Story.objects.get()
    assert (taken.published_at, taken.was_published_at is not None) == (None, True)
    assert moderator.lift(to_id("Decision", Decision.objects.get().pk))["applied"] == "WRITTEN"
    assert asha.publish(story, dates(asha, story)["version"])["story"]["publishedAt"] == first


def test_followers_are_told_once_and_new_ones_at_the_next_publication(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient
) -> None:
    """Whoever has followed since has not been told yet; the story is where it was."""
    bilal.follow(asha)
    story = asha.published_story()["id"]
    announce(story)
    chitra.follow(asha)
    asha.unpublish(story, "2")
    asha.publish(story, "3")
    announce(story)
    assert (bilal.titles(), chitra.titles()) == (["A story"], ["A story"])
    assert_verified()


def test_drafts_that_were_published_before_are_remembered(asha: ApiClient) -> None:
    """By the migration, from what their history tells; a draft that never was published has nothing to remember."""
    stories = [asha.published_story(str(n))["id"] for n in range(2)]
    draft = asha.create_story("2")["story"]["id"]
    first = Revision.objects.filter(values__status="DRAFT", story_id=key_in(stories[0])).get().at
    for version in ("2", "4"):
        asha.unpublish(stories[0], version)
        if version == "2":
            asha.publish(stories[0], "3")
    with unguarded():
        Story.objects.update(was_published_at=None)
    with unguarded() as cursor:
        cursor.execute(import_module("backend.stories.migrations.0009_republished").REMEMBER)
    kept = {row.pk: row.was_published_at for row in Story.objects.all()}
    assert kept == {key_in(stories[0]): first, key_in(stories[1]): None, key_in(draft): None}
