"""A race on one report: the moderator who has it gives it back on one device and settles it on another."""

import pytest

from tests.api import ApiClient
from tests.api.moderation import make_moderator
from tests.races.rivals import lost, race, won
from tests.races.rows import assert_verified

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_report_is_given_back_or_settled(asha: ApiClient, bilal: ApiClient) -> None:
    """Of four who give it back and four who settle it, all of whom saw it claimed, one wins."""
    report = bilal.report(asha.create_whisper()["whisper"]["id"])["report"]["id"]
    moderator = make_moderator(bilal)
    moderator.claim(report)
    results = race([lambda: moderator.unclaim(report, "2"), lambda: moderator.resolve(report, "DISMISSED", "2")] * 4)
    assert len(won(results)) == 1
    assert len(lost(results)) == 7
    assert_verified()
