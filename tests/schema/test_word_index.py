"""Words are found by their index."""

import pytest
from django.core.management import call_command
from django.db import connection

from backend.pages import Window
from backend.stories import lists
from backend.stories.lists import StoryOrder, Wanted
from tests.explaining import Explained
from tests.worlds import MadeOnce


@pytest.fixture(scope="module")
def many(made_once: MadeOnce) -> None:
    """Some thousands of stories, the same for all."""
    made_once(lambda: call_command("demo", people=200, stories=3_000, chapters=0, views=3_000, verbosity=0))


@pytest.mark.parametrize("order", StoryOrder)
def test_rare_words_are_found_by_their_index(many: None, order: StoryOrder) -> None:
    """The words of the query are those of the index, which `@@` with any others would not use."""
    explained = Explained()
    with connection.execute_wrapper(explained):
        lists.stories(Wanted(text="unheard-of"), order, Window(20), viewer=None, mature=True)
    assert "story_search" in explained.plans[-1], explained.plans[-1]
    with connection.execute_wrapper(explained):
        lists.stories(Wanted(text="the"), order, Window(20), viewer=None, mature=True)
    assert len(explained.plans) == 3, "what is near the beginning needs no second look"
