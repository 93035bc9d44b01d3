"""A moderator's role against everything that they do in it at the same moment."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.core.management import call_command

from backend.moderation.models import Report
from tests.api import ApiClient
from tests.api.moderation import make_moderator
from tests.races.rivals import Rival, elsewhere
from tests.races.rows import assert_verified
from tests.races.statements import before

pytestmark = pytest.mark.django_db(transaction=True)

WRITE = 'UPDATE "moderation_report"'
HOLD = "SELECT FROM people_account"

revoke = partial(call_command, "moderator", "bilal", "--remove", verbosity=0)

STEPS: dict[str, Callable[[ApiClient, str], Any]] = {
    "claim": lambda caller, report: caller.claim(report),
    "resolve": lambda caller, report: caller.resolve(report, "MARKED_NSFW"),
}


@pytest.mark.parametrize("step", STEPS)
def test_who_loses_the_role_first_does_nothing(step: str, asha: ApiClient, bilal: ApiClient) -> None:
    """The role is looked up within the write, after the request was let in."""
    report = _report(asha, bilal)
    with before(HOLD, lambda: elsewhere(revoke)):
        assert STEPS[step](bilal, report)["code"] == "FORBIDDEN"
    assert Report.objects.values_list("status", "version").get() == ("OPEN", 1)
    assert_verified()


@pytest.mark.parametrize("step", STEPS)
def test_the_role_is_held_until_the_step_is_committed(step: str, asha: ApiClient, bilal: ApiClient) -> None:
    """Taking it back waits; so nothing is ever done by somebody who is no moderator any more."""
    report, revoked = _report(asha, bilal), list[Rival]()
    with before(WRITE, lambda: revoked.append(Rival(revoke).until_it_waits())):
        assert STEPS[step](bilal, report)["applied"] == "WRITTEN"
    revoked[0].result()
    assert bilal.claim(report, "2")["code"] == "FORBIDDEN"
    assert_verified()


def _report(asha: ApiClient, bilal: ApiClient) -> str:
    """A report by a moderator of somebody else's whisper."""
    make_moderator(bilal)
    report: str = bilal.report(asha.create_whisper()["whisper"]["id"])["report"]["id"]
    return report
