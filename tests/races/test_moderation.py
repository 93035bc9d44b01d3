"""Reports under races: one moderator at a time, one report at a time, and never more a day than is allowed."""

import uuid
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from backend.engine import metrics
from backend.engine.transactions import unit_of_work
from backend.erasure import sweeping
from backend.moderation.models import DailyReports, Evidence, Report
from backend.whispers.models import Whisper
from schema.nodes import to_id
from tests import depth
from tests.api import ApiClient
from tests.api.moderation import make_moderator
from tests.departure_fixture import leave
from tests.races.rivals import elsewhere, race, rounds
from tests.races.rows import assert_verified
from tests.races.statements import before

pytestmark = pytest.mark.django_db(transaction=True)

INSERT = 'INSERT INTO "moderation_report"'
COUNT = "INSERT INTO moderation_dailyreports"


def said(answer: Any) -> str:
    """What became of a mutation, in one word."""
    return answer.get("applied") or answer["code"]


def whispers(author: ApiClient, count: int) -> list[uuid.UUID]:
    """So many whispers of one author."""
    made = [Whisper(author=author.person, text=f"{number}") for number in range(count)]
    Whisper.objects.bulk_create(made)
    return [one.pk for one in made]


@pytest.fixture
def moderators(person: Callable[[str], ApiClient]) -> list[ApiClient]:
    """Eight of them."""
    return [make_moderator(person(f"judge{number}")) for number in range(8)]


# --- One moderator at a time ------------------------------------------------------------------------------------


def test_of_sixty_four_claims_one_wins(asha: ApiClient, bilal: ApiClient, moderators: list[ApiClient]) -> None:
    """The others are told who has it."""
    report = bilal.report(asha.create_whisper()["whisper"]["id"])["report"]["id"]
    answers = race([partial(moderator.claim, report) for moderator in moderators * 8])
    assert Counter(map(said, answers)) == {"WRITTEN": 1, "CONFLICT": 63}
    (winner,) = (answer for answer in answers if said(answer) == "WRITTEN")
    claimer = winner["report"]["claimedBy"]
    assert {answer["current"]["claimedBy"]["handle"] for answer in answers if "current" in answer} == {
        claimer["handle"]
    }
    assert Report.objects.get().version == 2
    assert_verified()


@pytest.mark.parametrize("outcome", ["DISMISSED", "MARKED_NSFW", "REMOVED"])
def test_claiming_against_settling(
    outcome: str, asha: ApiClient, bilal: ApiClient, moderators: list[ApiClient]
) -> None:
    """One of the two happens; what the outcome does to the whisper happens exactly with it."""
    count = depth.rounds(40, at_least=12)
    ids = whispers(asha, count + 20)
    reports = [bilal.report(to_id("Whisper", one))["report"]["id"] for one in ids[:count]]
    one, other = moderators[:2]
    answers = rounds(
        [
            lambda number: said(one.claim(reports[number])),
            lambda number: said(other.resolve(reports[number], outcome)),
        ],
        len(reports),
    )
    assert {tuple(sorted(pair)) for pair in answers} == {("CONFLICT", "WRITTEN")}
    settled = sum(pair[1] == "WRITTEN" for pair in answers)
    assert Report.objects.filter(status="RESOLVED", outcome=outcome).count() == settled
    assert Whisper.objects.filter(nsfw=True).count() == settled * (outcome == "MARKED_NSFW")
    assert Whisper.objects.count() == count + 20 - settled * (outcome == "REMOVED")
    assert_verified()


def test_two_outcomes_for_reports_of_one_story(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, moderators: list[ApiClient]
) -> None:
    """Two reports of one story are settled at once, while its author edits it: each write is there."""
    one, other = moderators[:2]
    for number in range(depth.rounds(15, at_least=5)):
        story = asha.published_story(str(number))["id"]
        first, second = (caller.report(story)["report"]["id"] for caller in (bilal, chitra))
        marked, removed, edited = race(
            [
                lambda first=first: one.resolve(first, "MARKED_NSFW"),
                lambda second=second: other.resolve(second, "REMOVED"),
                lambda story=story: asha.update_story(story, {"title": "New"}, "2", merge=True),
            ]
        )
        assert [said(marked), said(removed)] == ["WRITTEN"] * 2
        assert said(edited) in ("WRITTEN", "MERGED")
        shown = asha.ask("query ($id: ID!) { story(id: $id) { version mature status title } }", id=story)["story"]
        assert shown == {"version": "5", "mature": True, "status": "DRAFT", "title": "New"}
    assert_verified()


def test_a_story_is_taken_down_and_deleted_at_once(
    asha: ApiClient, bilal: ApiClient, moderators: list[ApiClient]
) -> None:
    """Both lock the story first, so neither waits for the other in a circle; and its report never points to nothing."""
    moderator = moderators[0]
    stories = [asha.published_story(str(number))["id"] for number in range(depth.rounds(25, at_least=8))]
    reports = [bilal.report(story)["report"]["id"] for story in stories]
    answers = rounds(
        [
            lambda number: said(asha.delete_story(stories[number], "2")),
            lambda number: said(moderator.resolve(reports[number], "REMOVED")),
        ],
        len(stories),
    )
    assert {tuple(sorted(pair)) for pair in answers} == {("CONFLICT", "WRITTEN")}
    assert set(Report.objects.values_list("status", "outcome")) == {("RESOLVED", "REMOVED")}
    assert_verified()


# --- One report at a time ---------------------------------------------------------------------------------------


def test_the_same_report_sent_at_once_is_one(asha: ApiClient, bilal: ApiClient) -> None:
    """Without any key: one is written, the other gets it back."""
    ids = [to_id("Whisper", one) for one in whispers(asha, depth.rounds(25, at_least=10))]
    answers = rounds([lambda number: bilal.report(ids[number])] * 2, len(ids))
    for pair in answers:
        assert sorted(map(said, pair)) == ["NOOP", "WRITTEN"]
        assert len({answer["report"]["id"] for answer in pair}) == 1
    assert Report.objects.count() == len(ids)
    assert_verified()


def test_a_report_is_opened_again_beside_a_new_one(
    asha: ApiClient, bilal: ApiClient, moderators: list[ApiClient]
) -> None:
    """Only one of the two is open afterwards."""
    moderator = moderators[0]
    made = whispers(asha, depth.rounds(15, at_least=5))
    for one in made:
        whisper = to_id("Whisper", one)
        first = bilal.report(whisper)["report"]["id"]
        moderator.resolve(first)
        opened, again = race(
            [lambda first=first: moderator.reopen(first, "2"), lambda whisper=whisper: bilal.report(whisper)]
        )
        assert (said(opened), said(again)) in {("WRITTEN", "NOOP"), ("INVALID", "WRITTEN")}
    assert Report.objects.exclude(status="RESOLVED").count() == len(made)
    assert_verified()


# --- Never more a day than is allowed ---------------------------------------------------------------------------


def test_the_limit_is_passed_by_who_counts_first(asha: ApiClient, bilal: ApiClient, settings: Any) -> None:
    """Two count what is there, neither sees the other's, both write: what the condition on the day's row is for."""
    settings.REPORTS_A_DAY = 1
    one, other = whispers(asha, 2)

    def report(whisper: uuid.UUID) -> None:
        made = Report(about=asha.person, reporter=bilal.person, whisper_id=whisper, reason="Look.")
        if Report.objects.filter(reporter=bilal.person).count() < settings.REPORTS_A_DAY:
            Report.objects.bulk_create([made])

    with before(INSERT, lambda: elsewhere(lambda: report(other))):
        unit_of_work(lambda: report(one))
    assert Report.objects.count() == 2


def test_the_limit_holds_in_the_same_race(asha: ApiClient, bilal: ApiClient, settings: Any) -> None:
    """The one that counts later meets the other's count, and leaves no trace."""
    settings.REPORTS_A_DAY = 1
    one, other = (to_id("Whisper", whisper) for whisper in whispers(asha, 2))
    rivals: list[Any] = []
    with before(COUNT, lambda: rivals.append(elsewhere(lambda: bilal.report(other)))):
        answer = bilal.report(one)
    assert (said(answer), said(rivals[0])) == ("FORBIDDEN", "WRITTEN")
    assert made_today() == [1]
    assert_verified()


@pytest.mark.parametrize("limit", [0, 1, 5, 20, 50])
def test_the_limit_holds_for_many_at_once(
    asha: ApiClient, bilal: ApiClient, settings: Any, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """Twenty devices of one person: as many reports as are allowed, each answered at once and nothing run again."""
    settings.REPORTS_A_DAY = limit
    ids = [to_id("Whisper", whisper) for whisper in whispers(asha, 20)]
    aborted: list[str] = []
    monkeypatch.setattr(metrics, "aborted", lambda state, **_more: aborted.append(state))
    answers = race([lambda one=one: bilal.report(one) for one in ids])
    allowed = min(limit, 20)
    assert Counter(map(said, answers)) == Counter(WRITTEN=allowed, FORBIDDEN=20 - allowed)
    assert aborted == []
    assert made_today() == [allowed] * (allowed > 0)
    assert_verified()


def test_a_report_that_is_there_already_is_not_counted(asha: ApiClient, bilal: ApiClient, settings: Any) -> None:
    """Eight devices report one thing, at the limit as well: it takes one of the day's reports."""
    settings.REPORTS_A_DAY = 1
    whisper = to_id("Whisper", whispers(asha, 1)[0])
    answers = race([lambda: bilal.report(whisper)] * 8)
    assert Counter(map(said, answers)) == {"WRITTEN": 1, "NOOP": 7}
    assert made_today() == [1]
    assert_verified()


@pytest.mark.parametrize("moment", ["WITH kept", INSERT])
def test_a_report_that_comes_in_between_is_given_back(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, moment: str
) -> None:
    """The same person reports the same story on two devices: nothing is kept or counted for the one that comes later."""
    story, rivals = asha.published_story()["id"], list[Any]()
    assert said(chitra.report(story)) == "WRITTEN"

    def report_and_write_on() -> None:
        rivals.append(bilal.report(story))
        assert asha.update_story(story, {"title": "New"}, "2")["applied"] == "WRITTEN"

    with before(moment, lambda: elsewhere(report_and_write_on)):
        answer = bilal.report(story)
    assert (said(answer), said(rivals[0])) == ("NOOP", "WRITTEN")
    assert answer["report"]["id"] == rivals[0]["report"]["id"]
    assert (made_today(), Evidence.objects.count()) == ([1, 1], 1)
    assert_verified()


@pytest.mark.parametrize("kind", ["story", "chapter"])
def test_what_has_become_a_draft_meanwhile_is_not_kept(asha: ApiClient, bilal: ApiClient, kind: str) -> None:
    """Its author takes it down and writes on after the reporter was found to see it: nobody reads that as reported."""
    story = asha.published_story()
    chapter = story["chapters"][0]["id"]

    def write_on() -> None:
        assert asha.unpublish(story["id"], "2")["applied"] == "WRITTEN"
        assert asha.update_chapter(chapter, {"body": "Private."}, "1")["applied"] == "WRITTEN"

    with before("FROM moderation_evidence", lambda: elsewhere(write_on)):
        answer = bilal.report(story["id"] if kind == "story" else chapter)
    assert (said(answer), answer["message"]) == ("NOT_FOUND", f"There is no such {kind}.")
    assert not Evidence.objects.exists()
    assert made_today() == []


def test_what_is_reported_again_while_its_only_report_is_swept_is_kept(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient
) -> None:
    """The second reporter has found it kept when it goes with the first one's report: they are told to send it again."""
    story, key = asha.published_story()["id"], str(uuid.uuid4())
    assert said(bilal.report(story)) == "WRITTEN"
    leave(bilal)
    with before(INSERT, lambda: elsewhere(lambda: sweeping.sweep(bilal.person.pk))):
        refused = chitra.report(story, key=key)
    assert (said(refused), refused["retry"]["kind"]) == ("BUSY", "SAME_REQUEST")
    assert (Report.objects.count(), Evidence.objects.count(), made_today()) == (0, 0, [])
    assert said(chitra.report(story, key=key)) == "WRITTEN"
    assert (Report.objects.count(), Evidence.objects.count()) == (1, 1)
    assert_verified()


def made_today() -> list[int]:
    """The counts of all days; each as high as there are reports."""
    counts = list(DailyReports.objects.values_list("count", flat=True))
    assert sum(counts) == Report.objects.count()
    return counts


def test_people_do_not_stand_in_each_others_way(asha: ApiClient, person: Callable[[str], ApiClient]) -> None:
    """Eight people report one whisper at once: each is served."""
    whisper = to_id("Whisper", whispers(asha, 1)[0])
    people = [person(f"reader{number}") for number in range(8)]
    answers = race([lambda one=one: one.report(whisper) for one in people])
    assert Counter(map(said, answers)) == {"WRITTEN": 8}
    assert_verified()
