"""A query's answer never mixes two moments, whatever is committed while it is being worked out."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from backend.engine.transactions import snapshot
from backend.people.models import Person, PersonTally
from backend.social.models import Relationship
from tests import depth
from tests.api import ApiClient
from tests.races.rivals import elsewhere, race
from tests.races.rows import crowd
from tests.races.statements import before, recorded
from tests.races.test_totals import follow

pytestmark = pytest.mark.django_db(transaction=True)

PROFILE = """
query { person(handle: "bilal") {
  followerCount relationship { following version } followers { totalCount edges { node { handle } } } storyCount
  stories { edges { node { title viewCount } } }
} }
"""
TWICE = """
query {
  before: person(handle: "bilal") { name version followerCount }
  after: person(handle: "bilal") { name version followerCount }
}
"""


def changes(asha: ApiClient, bilal: ApiClient) -> None:
    """Something new in every part of the profile."""
    assert asha.follow(bilal)["applied"] == "WRITTEN"
    assert bilal.update_profile({"name": "Bilal the new"}, "1")["applied"] == "WRITTEN"
    asha.record_view(bilal.published_story()["id"])


def test_an_answer_shows_one_moment(asha: ApiClient, bilal: ApiClient) -> None:
    """A rival who changes every part of it after the first statement is not seen at all; the next answer is all new."""
    with recorded() as statements:
        old = asha.ask(PROFILE)["person"]
    assert len(statements) >= 5
    with before("", lambda: None, lambda: elsewhere(lambda: changes(asha, bilal))):
        assert asha.ask(PROFILE)["person"] == old
    new = asha.ask(PROFILE)["person"]
    assert (new["followerCount"], new["followers"]["totalCount"], new["storyCount"]) == (1, 1, 1)
    assert new["relationship"] == {"following": True, "version": "1"}
    assert new["stories"]["edges"][0]["node"]["viewCount"] == 1


@pytest.mark.parametrize("statement", range(2, 8))
def test_counts_and_lists_agree_at_every_statement(asha: ApiClient, bilal: ApiClient, statement: int) -> None:
    """A follower who comes in the middle is either counted and listed or neither."""
    acts: list[Callable[[], Any]] = [lambda: None] * (statement - 1)
    with before("", *acts, lambda: elsewhere(lambda: asha.follow(bilal))):
        person = asha.ask(PROFILE)["person"]
    assert person["followerCount"] == person["followers"]["totalCount"] == len(person["followers"]["edges"]) == 0
    assert person["relationship"]["following"] is False
    assert asha.relationship(bilal)["following"]


def test_two_fields_of_one_query_agree(asha: ApiClient, bilal: ApiClient) -> None:
    """The same thing asked for twice in one operation is the same thing."""
    nothing: list[Callable[[], Any]] = [lambda: None] * 3
    with before("", *nothing, lambda: elsewhere(lambda: changes(asha, bilal))):
        answer = asha.ask(TWICE)
    assert answer["before"] == answer["after"] == {"name": "Bilal", "version": "1", "followerCount": 0}


def test_a_total_and_its_rows_agree_while_people_follow() -> None:
    """In every snapshot the total equals the rows, not only when all is quiet."""
    star, *fans = crowd(1 + depth.rounds(150, at_least=45))
    failed = threading.Event()

    def watch() -> set[int]:
        differences, rows = set(), 0
        while rows < len(fans) and not failed.is_set():
            with snapshot():
                rows = Relationship.objects.count()
                total = sum(PersonTally.objects.filter(kind="followers").values_list("count", flat=True))
            differences.add(total - rows)
        return differences

    def come(some: list[Person]) -> None:
        if {follow(fan, star) for fan in some} != {"WRITTEN"}:
            failed.set()

    works = [lambda n=n: come(fans[n::3]) for n in range(3)]
    *_, differences = race([*works, watch])
    assert not failed.is_set()
    assert differences == {0}
