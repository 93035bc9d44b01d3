"""Races on one relationship: of those who saw the same version one wins, and following each other commutes."""

import pytest

from tests.api import ApiClient
from tests.races.rivals import lost, race, won
from tests.races.rows import assert_sound, query

pytestmark = pytest.mark.django_db(transaction=True)

SIDES = "SELECT low_version, high_version FROM social_relationship"


def test_of_eight_rivals_on_one_version_exactly_one_wins(asha: ApiClient, bilal: ApiClient) -> None:
    """The others are told what the winner made of it."""
    results = race([lambda: asha.follow(bilal, "0")] * 8)
    assert len(won(results)) == 1
    assert len(lost(results)) == 7
    assert all(one["current"]["following"] and one["current"]["version"] == "1" for one in lost(results))
    assert all(one["expected"] == "0" and one["retry"]["kind"] == "REBASE" for one in lost(results))
    assert query(SIDES) == [(1, 1)]
    assert_sound()


def test_of_eight_rivals_who_unfollow_exactly_one_wins(asha: ApiClient, bilal: ApiClient) -> None:
    """A follow that ends eight times at once is counted down once."""
    asha.follow(bilal)
    results = race([lambda: asha.unfollow(bilal, "1")] * 8)
    assert len(won(results)) == 1
    assert len(lost(results)) == 7
    assert all(not one["current"]["following"] and one["current"]["version"] == "2" for one in lost(results))
    assert query(SIDES) == [(2, 2)]
    assert_sound()


def test_of_an_unfollow_and_a_removal_one_ends_the_follow(asha: ApiClient, bilal: ApiClient) -> None:
    """The two sides hold different versions of the same follow, which can end only once."""
    asha.follow(bilal)
    results = race([lambda: asha.unfollow(bilal, "1"), lambda: bilal.remove_follower(asha, "1")] * 4)
    assert len(won(results)) == 1
    assert len(lost(results)) == 7
    assert query(SIDES) == [(2, 2)]
    assert_sound()


def test_of_eight_conditioned_blocks_exactly_one_wins(asha: ApiClient, bilal: ApiClient) -> None:
    """A block that names a version is a write like any other; the hidden side's version does not move."""
    results = race([lambda: asha.block(bilal, "0")] * 8)
    assert len(won(results)) == 1
    assert all(one["current"]["blocking"] and one["current"]["version"] == "1" for one in lost(results))
    assert sorted(*query(SIDES)) == [0, 1]
    assert len(lost(results)) == 7


def test_of_eight_unconditioned_blocks_one_writes_and_none_is_refused(asha: ApiClient, bilal: ApiClient) -> None:
    """A block is never refused by a race; what is so already is left alone."""
    results = race([lambda: asha.block(bilal)] * 8)
    assert sorted(one["applied"] for one in results) == ["NOOP"] * 7 + ["WRITTEN"]
    assert all(one["relationship"]["blocking"] and one["relationship"]["version"] == "1" for one in results)


def test_of_follow_and_block_by_the_same_person_both_orders_are_explained(asha: ApiClient, bilal: ApiClient) -> None:
    """Two devices of one person: the follow is refused or ended by the block, never left standing."""
    results = race([lambda: asha.follow(bilal, "0"), lambda: asha.block(bilal)])
    assert results[1]["applied"] == "WRITTEN"
    assert results[0].get("applied") == "WRITTEN" or results[0]["code"] == "CONFLICT"
    pair_side = asha.relationship(bilal)
    assert (pair_side["following"], pair_side["blocking"]) == (False, True)
    assert_sound()
