"""Races on one author's shelf and one story: a create is a write like any other."""

import pytest

from backend.stories.models import Chapter, Shelf, Story
from tests.api import ApiClient
from tests.races.rivals import Rival, lost, race, won
from tests.races.rows import assert_sound, scalar

pytestmark = pytest.mark.django_db(transaction=True)


def test_of_eight_creates_on_one_version_exactly_one_wins(asha: ApiClient) -> None:
    """The losers leave no story and no chapter behind, and are told the shelf's state."""
    results = race([lambda: asha.create_story("0", chapters=3)] * 8)
    assert len(won(results)) == 1
    assert len(lost(results)) == 7
    assert all(one["current"]["storyCount"] == 1 and one["current"]["version"] == "1" for one in lost(results))
    assert (Story.objects.count(), Chapter.objects.count()) == (1, 3)
    assert (Shelf.objects.get().version, Shelf.objects.get().story_count) == (1, 1)


def test_losers_who_rebase_all_get_their_story(asha: ApiClient) -> None:
    """Eight devices that try again on top of what they are told end with eight stories and eight versions."""

    def stubborn(title: str) -> str:
        version = "0"
        while True:
            answer = asha.create_story(version, title=title, chapters=2)
            if answer["__typename"] == "StorySuccess":
                return answer["shelf"]["version"]
            version = answer["current"]["version"]

    versions = race([lambda title=f"Story {n}": stubborn(title) for n in range(8)])
    assert sorted(versions) == [str(n) for n in range(1, 9)]
    assert (Story.objects.count(), Chapter.objects.count()) == (8, 16)
    assert (Shelf.objects.get().version, Shelf.objects.get().story_count) == (8, 8)


def test_of_eight_who_publish_exactly_one_wins(asha: ApiClient) -> None:
    """A story is published, and counted, once."""
    story = asha.create_story("0")["story"]["id"]
    results = race([lambda: asha.publish(story)] * 8)
    assert len(won(results)) == 1
    assert len(lost(results)) == 7
    assert all(one["current"]["status"] == "PUBLISHED" for one in lost(results))
    assert scalar("SELECT sum(count) FROM people_persontally WHERE kind = 'stories'") == 1
    assert_sound()


def test_a_story_that_is_being_published_is_not_seen_half_done(asha: ApiClient, bilal: ApiClient) -> None:
    """Whoever views a story while it is being published views a draft or a published story, and counts accordingly."""
    story = asha.create_story("0")["story"]["id"]
    publisher = Rival(lambda: asha.publish(story))
    seen = bilal.record_view(story)
    assert publisher.result()["applied"] == "WRITTEN"
    counted = seen["__typename"] == "ReadingSuccess" and seen["counted"]
    assert seen["__typename"] in ("ReadingSuccess", "NotFoundError")
    assert scalar("SELECT count(*) FROM reading_view") == counted
    assert_sound()
