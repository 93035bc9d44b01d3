"""A query's answer never mixes two moments, whatever is committed while it is being worked out."""

import threading
from typing import Any

import pytest

from backend.engine.transactions import snapshot
from backend.people.models import Person, PersonTally
from backend.social.models import Relationship
from tests import depth
from tests.api import ApiClient
from tests.races.rivals import race
from tests.races.rows import crowd
from tests.races.statements import recorded
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


def test_an_answer_is_one_statement(asha: ApiClient) -> None:
    """So it sees one moment, whatever is committed while it runs."""
    for document in (PROFILE, TWICE):
        with recorded() as statements:
            asha.ask(document)
        assert len(statements) == 1


def test_counts_and_lists_agree_while_people_follow(asha: ApiClient, bilal: ApiClient) -> None:
    """A follower who comes in the middle is either counted and listed or neither."""
    fans = crowd(depth.rounds(100, at_least=30))
    person = bilal.person

    def watch() -> set[tuple[int, int, int]]:
        seen: set[tuple[int, int, int]] = set()
        while max((counted for counted, _, _ in seen), default=0) < len(fans):
            found = asha.ask(PROFILE)["person"]
            listed = found["followers"]
            seen.add((found["followerCount"], listed["totalCount"], len(listed["edges"])))
        return seen

    *come, seen = race([lambda n=n: [follow(fan, person) for fan in fans[n::2]] for n in range(2)] + [watch])
    assert {one for some in come for one in some} == {"WRITTEN"}
    assert all(counted == total and rows == min(total, 20) for counted, total, rows in seen)


def test_two_fields_of_one_query_agree(asha: ApiClient, bilal: ApiClient) -> None:
    """The same thing asked for twice in one operation is the same thing."""
    rounds = depth.rounds(100, at_least=30)

    def rename() -> None:
        for number in range(1, rounds + 1):
            assert bilal.update_profile({"name": f"Bilal {number}"}, str(number))["applied"] == "WRITTEN"

    def watch() -> list[dict[str, Any]]:
        seen = [asha.ask(TWICE)]
        while seen[-1]["after"]["version"] != str(rounds + 1):
            seen.append(asha.ask(TWICE))
        return seen

    _, seen = race([rename, watch])
    assert [one for one in seen if one["before"] != one["after"]] == []


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
