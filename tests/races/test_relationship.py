"""Races on one relationship: no interleaving loses a follow or a block."""

import pytest

from backend.people.models import PersonTally
from backend.social.models import Relationship
from tests.api import Caller
from tests.races.rivals import lost, race, won

pytestmark = pytest.mark.django_db(transaction=True)


def test_of_eight_rivals_on_one_version_exactly_one_wins(asha: Caller, bilal: Caller) -> None:
    """The others are told what the winner made of it."""
    results = race([lambda: asha.follow(bilal, "0")] * 8)
    assert len(won(results)) == 1
    assert len(lost(results)) == 7
    assert all(one["current"]["following"] and one["current"]["version"] == "1" for one in lost(results))
    assert Relationship.objects.get().seen_by(asha.person.pk).version == 1
    assert sum(PersonTally.objects.filter(kind="followers").values_list("count", flat=True)) == 1
