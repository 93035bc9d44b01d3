"""Totals that many people raise at once are exact, and nobody who commutes meets a conflict or a deadlock."""

import pytest
from django.db import transaction

from backend.engine.versions import Expected
from backend.people.models import Person
from resolvers import social
from tests import depth
from tests.races.rivals import Rival, race, rounds, said
from tests.races.rows import assert_sound, crowd, query, scalar

pytestmark = pytest.mark.django_db(transaction=True)

PAIRS = depth.rounds(500, at_least=64)
TOTAL = "SELECT coalesce(sum(count), 0) FROM people_persontally WHERE kind = %s"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


def follow(me: Person, them: Person) -> str:
    return said(lambda: social.follow(me, person=them.pk, expect=Expected(0), key=None))


def test_many_pairs_follow_each_other_at_once() -> None:
    """Mutual follows commute: each side says 0 and both are written, with no conflict and no deadlock."""
    people, deadlocks = crowd(2 * PAIRS), scalar(DEADLOCKS)
    pairs = list(zip(people[::2], people[1::2], strict=True))
    results = rounds([lambda n: follow(*pairs[n]), lambda n: follow(*pairs[n][::-1])], PAIRS)
    assert results == [["WRITTEN", "WRITTEN"]] * PAIRS
    assert set(query("SELECT low_version, high_version FROM social_relationship")) == {(2, 2)}
    assert scalar(TOTAL, "followers") == scalar(TOTAL, "following") == 2 * PAIRS
    assert scalar(DEADLOCKS) == deadlocks
    assert_sound()


@pytest.mark.parametrize("first", [0, 1], ids=["low first", "high first"])
def test_of_two_who_wait_for_one_row_the_second_follow_still_counts(first: int) -> None:
    """A follow whose row changes while it waits is written on top of the change, not refused."""
    pair = crowd(2)
    other = 1 - first
    assert follow(pair[0], pair[1]) == "WRITTEN"
    assert said(lambda: social.unfollow(pair[0], person=pair[1].pk, expect=Expected(1), key=None)) == "WRITTEN"
    with transaction.atomic():
        query("SELECT 1 FROM social_relationship FOR UPDATE")
        works = [
            lambda a=a: social.follow(pair[a], person=pair[1 - a].pk, expect=Expected(2), key=None) for a in (0, 1)
        ]
        rivals = [
            Rival(lambda: said(works[first])).until_it_waits(),
            Rival(lambda: said(works[other])).until_it_waits(),
        ]
    assert [rival.result() for rival in rivals] == ["WRITTEN", "WRITTEN"]
    assert query("SELECT low_version, high_version FROM social_relationship") == [(4, 4)]
    assert_sound()


def test_many_people_follow_one() -> None:
    """Somebody popular is no bottleneck of conflicts, and the total misses nobody."""
    star, *fans = crowd(PAIRS + 1)
    deadlocks = scalar(DEADLOCKS)

    def follow_all(some: list[Person]) -> list[str]:
        return [follow(fan, star) for fan in some]

    results = race([lambda n=n: follow_all(fans[n::16]) for n in range(16)])
    assert [answer for some in results for answer in some] == ["WRITTEN"] * PAIRS
    assert scalar(TOTAL, "followers") == PAIRS
    assert scalar("SELECT count(*) FROM follow WHERE followee_id = %s", star.pk) == PAIRS
    assert scalar(DEADLOCKS) == deadlocks
    assert_sound()


def test_a_circle_that_follows_and_unfollows_does_not_deadlock() -> None:
    """Everybody raises and lowers totals of everybody else, in every order, and none waits for another in a circle."""
    people, deadlocks = crowd(8), scalar(DEADLOCKS)

    def busy(me: Person) -> set[str]:
        said_so = set()
        for them in people:
            if them is not me:
                row = social.follow(me, person=them.pk, expect=Expected(0), key=None).rows["relationship"]
                seen = Expected(row.seen_by(me.pk).version)
                said_so.add(said(lambda p=them.pk, v=seen: social.unfollow(me, person=p, expect=v, key=None)))
        return said_so

    assert race([lambda me=me: busy(me) for me in people]) == [{"WRITTEN"}] * 8
    assert scalar(TOTAL, "followers") == scalar(TOTAL, "following") == 0
    assert scalar(DEADLOCKS) == deadlocks
    assert_sound()
