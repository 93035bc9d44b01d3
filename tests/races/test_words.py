"""Races on the words of a text: whoever writes it, and whatever else is written, they are those of the text in the end."""

import pytest
from django.db import connection

from backend.engine import words
from backend.people.models import PersonWords
from backend.stories.models import StoryWords
from tests import depth
from tests.api import ApiClient
from tests.backend.verifying import verified
from tests.races.rivals import race

pytestmark = pytest.mark.django_db(transaction=True)


def fill() -> None:
    """What migrations do with the rows that are there."""
    words.fill(connection, "people_person", "people_index_words")
    words.fill(connection, "stories_story", "stories_index_words")


def all_words() -> list[tuple[str, str]]:
    """What is indexed."""
    rows = [*StoryWords.objects.values_list("pk", "words"), *PersonWords.objects.values_list("pk", "words")]
    return sorted((str(key), found) for key, found in rows)


def test_rows_without_words_get_them_in_batches(
    asha: ApiClient, bilal: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them, and again without any change."""
    monkeypatch.setattr(words, "BATCH", 2)
    for number in range(5):
        asha.create_story(str(number), title=f"Number {number}")
    before = all_words()
    assert len(before) == 7
    StoryWords.objects.all().delete()
    PersonWords.objects.all().delete()
    for _ in range(2):
        fill()
        assert all_words() == before


def test_words_follow_the_last_write(asha: ApiClient) -> None:
    """Of titles, chapters and a migration that index one story at once, none leaves words of an earlier text."""
    story = asha.published_story(title="First")["id"]

    def titled(number: int) -> None:
        version = asha.ask("query ($id: ID!) { story(id: $id) { version } }", id=story)["story"]["version"]
        assert asha.update_story(story, {"title": f"Title {number}"}, version, merge=True)["story"]

    def named(number: int) -> None:
        assert asha.update_profile({"name": f"Asha {number}"}, str(number + 1))["applied"] == "WRITTEN"

    def added(number: int) -> None:
        assert asha.append(story, title=f"Added {number}")["chapter"]

    count = depth.rounds(20, at_least=4)
    for number in range(count):
        race([lambda act=act, n=number: act(n) for act in (titled, named, added, added)] + [fill, fill])
        said, error = verified()
        assert error is None, said
    assert f"'{count - 1}':" in StoryWords.objects.get().words
