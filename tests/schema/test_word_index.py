"""Words are found by their index."""

import pytest
from django.core.management import call_command
from django.db import connection

from tests.api import ApiClient
from tests.explaining import Explained
from tests.worlds import MadeOnce


@pytest.fixture(scope="module")
def many(made_once: MadeOnce) -> None:
    """Some thousands of stories, the same for all."""
    made_once(lambda: call_command("demo", people=200, stories=3_000, chapters=0, views=3_000, verbosity=0))


SEARCH = """
query ($text: String!, $order: StoryOrder!) {
  stories(filter: {text: $text}, orderBy: $order) { edges { node { id } } }
}
"""


def how(text: str, order: str) -> str:
    """How PostgreSQL has looked for these words."""
    explained = Explained(analyse=True)
    with connection.execute_wrapper(explained):
        assert "errors" not in ApiClient(None).post(SEARCH, text=text, order=order)
    (plan,) = explained.plans
    return plan


@pytest.mark.parametrize("order", ["NEWEST", "MOST_READ"])
def test_rare_words_are_found_by_their_index(many: None, order: str) -> None:
    """The words of the query are those of the index, which `@@` with any others would not use."""
    rare = how("unheard-of", order)
    assert "story_search" in rare, rare
    assert "never executed" not in rare[rare.index("story_search") :].partition("\n")[0]
    frequent = how("the", order)
    assert "never executed" in frequent, "what is near the beginning needs no second look"
