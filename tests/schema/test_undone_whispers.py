"""Whispers of which several decisions, and their screening, said something, and what is left once decisions are lifted."""

from collections.abc import Callable

import pytest

from backend.moderation.models import Report
from backend.moderation.rescreening import rescreen
from backend.whispers.models import Flag, Whisper
from tests.api import ApiClient
from tests.api.moderation import make_moderator, screen_for
from tests.races.rows import assert_verified


@pytest.fixture
def mina(person: Callable[[str], ApiClient]) -> ApiClient:
    """A moderator."""
    return make_moderator(person("mina"))


@pytest.mark.parametrize("mark_first", [True, False])
def test_marked_and_removed_and_both_lifted(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, mina: ApiClient, mark_first: bool
) -> None:
    """It is as its author wrote it, in whatever order they are lifted."""
    whisper = bilal.create_whisper("Psst.")["whisper"]["id"]
    mark = mina.decided(asha.report(whisper)["report"]["id"], "MARKED_NSFW")["id"]
    removal = mina.decided(chitra.report(whisper)["report"]["id"], "REMOVED")["id"]
    first, second = (mark, removal) if mark_first else (removal, mark)
    assert mina.lift(first)["applied"] == "WRITTEN"
    assert mark_first or Whisper.objects.get().nsfw is True  # the other one is in force
    assert mina.lift(second)["applied"] == "WRITTEN"
    assert Whisper.objects.get().nsfw is False
    assert_verified()


@pytest.mark.parametrize("effect", ["FLAG", "REPORT"])
def test_what_its_screening_found_comes_back_with_a_whisper(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, mina: ApiClient, effect: str
) -> None:
    """So no decision that is lifted unmarks it, and no screening tells the moderators again of what they have looked at."""
    whisper = bilal.create_whisper("A gory tale.")["whisper"]["id"]
    mark = mina.decided(asha.report(whisper)["report"]["id"], "MARKED_NSFW")["id"]
    screen_for(effect, "gory")
    rescreen()
    removal = mina.decided(chitra.report(whisper)["report"]["id"], "REMOVED")["id"]
    assert not Flag.objects.exists()
    for decision in (removal, mark):
        assert mina.lift(decision)["applied"] == "WRITTEN"
    assert Whisper.objects.get().nsfw is True
    assert Flag.objects.get().rules == ["gory"]
    screen_for("FLAG", "another")
    rescreen()
    assert (Flag.objects.get().rules, mina.ask("{ reports(status: OPEN) { edges { node { id } } } }")) == (
        ["gory"],
        {"reports": {"edges": []}},
    )
    assert_verified()


@pytest.mark.parametrize(("first", "then"), [(None, "FLAG"), (None, "REPORT"), ("REPORT", "FLAG"), ("FLAG", "REPORT")])
def test_a_whisper_that_comes_back_is_screened_by_the_present_policy(
    asha: ApiClient, bilal: ApiClient, mina: ApiClient, first: str | None, then: str
) -> None:
    """All others were screened again while it was away. What had been found before is not news."""
    if first is not None:
        screen_for(first, "tale")
    whisper = bilal.create_whisper("A gory tale.")["whisper"]["id"]
    removal = mina.decided(asha.report(whisper)["report"]["id"], "REMOVED")["id"]
    screen_for(then, "gory")
    rescreen()
    assert mina.lift(removal)["applied"] == "WRITTEN"
    flag, reasons = Flag.objects.get(), Report.objects.filter(status="OPEN").values_list("reason", flat=True)
    assert (Whisper.objects.get().nsfw, flag.rules) == (True, ["gory"] if first is None else ["tale", "gory"])
    assert list(reasons) == (["Found on screening: gory."] if then == "REPORT" else [])
    assert_verified()


def test_a_conflict_claims_no_earlier_mark_that_is_not_known(
    asha: ApiClient, bilal: ApiClient, mina: ApiClient
) -> None:
    """A mark can be lifted: what it was before follows from the present one after one write, and not after two."""
    whisper = bilal.create_whisper("Psst.")["whisper"]["id"]
    mina.lift(mina.decided(asha.report(whisper)["report"]["id"], "MARKED_NSFW")["id"])
    for version, before in (("2", True), ("1", None)):
        answer = bilal.delete_whisper(whisper, version)
        assert answer["overlaps"] == [{"path": "nsfw", "base": before, "mine": before, "theirs": False}], version
    assert bilal.delete_whisper(whisper, "3")["applied"] == "WRITTEN"
