"""Who writes about one story or one person at the same moment as many others waits for none of them."""

import itertools
from collections.abc import Callable, Sequence
from uuid import uuid4

import pytest

from backend.engine import tallies
from backend.engine.versions import Expected
from backend.people.models import Person
from backend.stories import rank
from backend.stories.models import Story, StoryTally
from resolvers import reading, social
from tests.api import ApiClient
from tests.races.rivals import elsewhere, said
from tests.races.rows import assert_sound, crowd, query, scalar
from tests.races.statements import before

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = 20
LAST = 'UPDATE "engine_idempotencykey"'
"""Begins what a mutation with a key writes last, when it holds all its locks."""

Act = Callable[[Person], str]


@pytest.fixture(autouse=True)
def by_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """No two who make a slot take the same number, which by chance happens to one pair in a thousand."""
    numbers = itertools.count()
    monkeypatch.setattr(tallies, "some_slot", lambda: next(numbers) % tallies.SLOTS)


def each_within_the_other(act: Act, people: Sequence[Person]) -> list[str]:
    """Let the first act, and before it commits the second one, and so on. The last one to begin is the first to commit."""
    first, *others = people
    found: list[str] = []
    if not others:
        return [act(first)]
    with before(LAST, lambda: found.extend(elsewhere(lambda: each_within_the_other(act, others)))):
        mine = act(first)
    return [mine, *found]


def test_readers_of_one_story_do_not_wait(asha: ApiClient) -> None:
    """Of one that many have read; while few have, their order in the list is exact, and they take turns at its rank."""
    asha.published_story()
    story = Story.objects.get()
    StoryTally.objects.create(subject=story, kind="views", slot=0, count=rank.SMALL)

    def view(reader: Person) -> str:
        return said(lambda: reading.record_view(reader, story=story.pk, place=None, expect=Expected(0), key=uuid4()))

    assert each_within_the_other(view, crowd(AT_ONCE)) == ["WRITTEN"] * AT_ONCE
    assert scalar("SELECT sum(count) FROM stories_storytally") == rank.SMALL + AT_ONCE
    assert scalar("SELECT count(*) FROM stories_storytally") == AT_ONCE


def test_followers_of_one_person_do_not_wait() -> None:
    """Nor do those who unfollow. There are as many slots as there were writers at once, and they are used again."""
    famous, *followers = crowd(1 + AT_ONCE)

    def follow(person: Person) -> str:
        return said(lambda: social.follow(person, person=famous.pk, expect=Expected(0), key=uuid4()))

    def unfollow(person: Person) -> str:
        return said(lambda: social.unfollow(person, person=famous.pk, expect=Expected(1), key=uuid4()))

    for act, left in ((follow, AT_ONCE), (unfollow, 0)):
        assert each_within_the_other(act, followers) == ["WRITTEN"] * AT_ONCE
        slots = query("SELECT count FROM people_persontally WHERE subject_id = %s AND kind = 'followers'", famous.pk)
        assert (sum(count for (count,) in slots), len(slots)) == (left, AT_ONCE)
    assert_sound()
