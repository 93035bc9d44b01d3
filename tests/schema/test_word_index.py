"""Words are found by their index: at about the same cost, whether they are unknown, rare or frequent."""

import re

import pytest
from django.core.management import call_command
from django.db import connection

from backend.people.models import Person
from backend.stories.models import Story
from tests.api import ApiClient
from tests.explaining import Explained
from tests.worlds import MadeOnce

STORIES = 5_000
RARE = 100
"""Of these some are drafts, or for adults."""


@pytest.fixture(scope="module")
def many(made_once: MadeOnce) -> None:
    """Some thousands of stories, the same for all."""
    made_once(make_many)


def make_many() -> None:
    """A demo, with one word in every story, another in some; and the same of people."""
    call_command("demo", people=STORIES, stories=STORIES, chapters=0, follows=0, blocks=0, views=STORIES, verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        for table, column in (("stories_story", "title"), ("people_person", "name")):
            cursor.execute(
                f"UPDATE {table} SET {column} = 'Everywhere' || CASE WHEN number % {STORIES // RARE} = 0 THEN ' unheard-of' ELSE "
                f"'' END, version = version + 1, {column}_changed = version + 1 FROM (SELECT id, row_number() OVER (ORDER BY id) "
                f"AS number FROM {table}) AS numbered WHERE numbered.id = {table}.id"
            )
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("RESET statement_timeout")


STORIES_BY = """
query ($text: String!, $order: StoryOrder!) {
  stories(filter: {text: $text}, orderBy: $order) { edges { node { id } } }
}
"""
PEOPLE = "query ($text: String!) { people(text: $text) { edges { node { id } } } }"
LISTS = {
    "NEWEST": (STORIES_BY, {"order": "NEWEST"}),
    "MOST_READ": (STORIES_BY, {"order": "MOST_READ"}),
    "PEOPLE": (PEOPLE, {}),
}
WORDS = {
    "unknown": ("zyzzyva", 0),
    "rare": ("unheard-of", 20),
    "beginning": ("unhea", 20),
    "frequent": ("everywhere", 20),
}


def how(text: str, listed: str) -> tuple[str, int, int]:
    """How PostgreSQL has looked for these words: its plan, how many pages it looked at, and how many rows the answer has."""
    explained, (query, given) = Explained(analyse=True), LISTS[listed]
    with connection.execute_wrapper(explained):
        answer = ApiClient(None).post(query, text=text, **given)
    (plan,), ((_, page),) = explained.plans, answer["data"].items()
    buffers = re.search(r"Buffers: shared ([^\n]*)", plan)
    return plan, sum(map(int, re.findall(r"(?:hit|read)=(\d+)", buffers[1] if buffers else ""))), len(page["edges"])


@pytest.mark.parametrize("listed", LISTS)
def test_any_word_costs_about_the_same(many: None, listed: str) -> None:
    """No plan reads a table from its beginning, or looks at more than some hundred pages of 8 kB."""
    seen = {}
    for kind, (text, count) in WORDS.items():
        how(text, listed)  # what a connection does first is to read catalogues and functions
        plan, buffers, rows = how(text, listed)
        seen[kind] = buffers
        assert rows == count, plan
        assert not re.search("Seq Scan on (stories|people)", plan), plan
        assert "_words" in plan, plan
    assert max(seen.values()) < 600, seen
    assert seen["unknown"] < 60, seen


def test_what_is_counted_is_there(many: None) -> None:
    """The numbers above are of this many rows."""
    assert Story.objects.filter(published_at__isnull=False).count() > 2 * 1_000
    assert Person.objects.count() == STORIES
