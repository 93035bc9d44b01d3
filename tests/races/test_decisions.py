"""Races of moderators' decisions: one row, one winner; what is held is what is in force; nobody writes who is suspended."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from backend.engine import metrics
from backend.moderation.models import Decision, ModerationAction, Report
from backend.notifications.models import Notification
from backend.people.models import Account
from backend.stories.models import Story
from schema.nodes import to_id
from tests import depth
from tests.api import PASSWORD, ApiClient
from tests.api.moderation import make_moderator
from tests.races.rivals import Rival, elsewhere, race, rounds
from tests.races.rows import assert_verified
from tests.races.statements import before

pytestmark = pytest.mark.django_db(transaction=True)

STORY = 'UPDATE "stories_story"'
DECISION = 'UPDATE "moderation_decision"'
DECIDED = 'INSERT INTO "moderation_decision"'


def said(answer: Any) -> str:
    """What became of a mutation, in one word."""
    return answer.get("applied") or answer["code"]


@pytest.fixture
def moderators(person: Callable[[str], ApiClient]) -> list[ApiClient]:
    """Nine of them."""
    return [make_moderator(person(f"mina{number}")) for number in range(9)]


@pytest.fixture
def mina(person: Callable[[str], ApiClient]) -> ApiClient:
    """A moderator."""
    return make_moderator(person("mina"))


@pytest.fixture
def nils(person: Callable[[str], ApiClient]) -> ApiClient:
    """Another one."""
    return make_moderator(person("nils"))


@pytest.fixture
def aborted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What PostgreSQL has aborted, such as a deadlock."""
    states: list[str] = []
    monkeypatch.setattr(metrics, "aborted", lambda state, **_more: states.append(state))
    return states


def removed(author: ApiClient, by: ApiClient, reporter: ApiClient, shelf: str = "0") -> tuple[str, str]:
    """The ids of a story that was taken down, at version 3, and of the decision."""
    story = author.published_story(shelf)["id"]
    return story, by.decided(reporter.report(story)["report"]["id"], "REMOVED")["id"]


# --- One row, one winner ----------------------------------------------------------------------------------------


def test_of_eight_appeals_one_is_made(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """On eight devices, each in other words."""
    _, decision = removed(asha, mina, bilal)
    answers = race([partial(asha.appeal, decision, text=f"Appeal {number}") for number in range(8)])
    assert Counter(map(said, answers)) == {"WRITTEN": 1, "CONFLICT": 7}
    (won,) = (one["decision"]["appeal"]["text"] for one in answers if said(one) == "WRITTEN")
    assert {one["current"]["appeal"]["text"] for one in answers if said(one) == "CONFLICT"} == {won}
    assert Decision.objects.values_list("appeal", "version").get() == (won, 2)
    assert_verified()


def test_of_eight_who_judge_one_appeal_one_does(
    asha: ApiClient, bilal: ApiClient, moderators: list[ApiClient], aborted: list[str]
) -> None:
    """Half of them overturn it: the story is held exactly if who won upheld it, and its author is told once."""
    *judges, maker = moderators
    for number in range(depth.rounds(6, at_least=2)):
        story, decision = removed(asha, maker, bilal, str(number))
        asha.appeal(decision)
        outcomes = ["UPHELD", "OVERTURNED"] * 4
        answers = race(
            [partial(judge.judge, decision, outcome) for judge, outcome in zip(judges, outcomes, strict=True)]
        )
        assert Counter(map(said, answers)) == {"WRITTEN": 1, "CONFLICT": 7}
        (won,) = (one["decision"]["appeal"]["outcome"] for one in answers if said(one) == "WRITTEN")
        held = Story.objects.order_by("-created_at").values_list("held", flat=True)[0]
        assert held is (won == "UPHELD")
        assert said(asha.publish(story, "3" if held else "4")) == ("HELD" if held else "WRITTEN")
        assert Notification.objects.filter(kind="APPEAL_JUDGED").count() == number + 1
        assert ModerationAction.objects.filter(kind__in=outcomes).count() == number + 1
    assert aborted == []
    assert_verified()


def test_of_eight_who_lift_a_decision_one_does(
    asha: ApiClient, bilal: ApiClient, moderators: list[ApiClient], aborted: list[str]
) -> None:
    """The others have not seen that it is lifted."""
    report = bilal.report(asha.id)["report"]["id"]
    decision = moderators[8].decided(report, "SUSPENDED", days=3)["id"]
    answers = race([partial(one.lift, decision) for one in moderators[:8]])
    assert Counter(map(said, answers)) == {"WRITTEN": 1, "CONFLICT": 7}
    assert Decision.objects.get().version == 2
    assert Account.objects.filter(suspended_until__isnull=False).count() == 0
    assert ModerationAction.objects.filter(kind="LIFTED").count() == 1
    assert aborted == []
    assert_verified()


def test_an_appeal_against_a_lift(asha: ApiClient, bilal: ApiClient, mina: ApiClient, aborted: list[str]) -> None:
    """One of the two happens: nobody appeals what is lifted, and nobody lifts what they have not seen to be appealed."""
    made = [removed(asha, mina, bilal, str(number))[1] for number in range(depth.rounds(12, at_least=4))]
    answers = rounds(
        [lambda number: said(asha.appeal(made[number])), lambda number: said(mina.lift(made[number]))], len(made)
    )
    assert {tuple(sorted(pair)) for pair in answers} == {("CONFLICT", "WRITTEN")}
    lifted = sum(pair[1] == "WRITTEN" for pair in answers)
    assert Story.objects.filter(held=False).count() == lifted
    assert Decision.objects.filter(lifted_at__isnull=False, appealed_at__isnull=True).count() == lifted
    assert aborted == []
    assert_verified()


def test_an_appeal_comes_right_before_the_lift(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """What the lift has undone already is rolled back with it."""
    story, decision = removed(asha, mina, bilal)
    with before(DECISION, lambda: elsewhere(lambda: asha.appeal(decision))):
        assert said(mina.lift(decision)) == "CONFLICT"
    assert Story.objects.values_list("held", "version").get() == (True, 3)
    assert said(asha.publish(story, "3")) == "HELD"
    assert_verified()


# --- What is held is what is in force ---------------------------------------------------------------------------


def test_a_hold_against_publishing(asha: ApiClient, bilal: ApiClient, mina: ApiClient, aborted: list[str]) -> None:
    """A draft was reported when it was published: whichever comes first, it ends as a draft that is held."""
    count = depth.rounds(12, at_least=4)
    stories = [asha.published_story(str(number))["id"] for number in range(count)]
    reports = [bilal.report(story)["report"]["id"] for story in stories]
    for story in stories:
        asha.unpublish(story, "2")
    answers = rounds(
        [
            lambda number: said(asha.publish(stories[number], "3")),
            lambda number: said(mina.resolve(reports[number], "REMOVED")),
        ],
        count,
    )
    assert {pair[1] for pair in answers} == {"WRITTEN"}
    assert {pair[0] for pair in answers} <= {"WRITTEN", "HELD"}
    assert set(Story.objects.values_list("status", "held")) == {("DRAFT", True)}
    assert aborted == []
    assert_verified()


def test_a_hold_comes_right_before_it_is_published(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """The condition is a part of the write."""
    story = asha.published_story()["id"]
    report = bilal.report(story)["report"]["id"]
    asha.unpublish(story, "2")
    with before(STORY, lambda: elsewhere(lambda: mina.resolve(report, "REMOVED"))):
        assert said(asha.publish(story, "3")) == "HELD"
    assert_verified()


@pytest.mark.parametrize("merge", [False, True])
def test_lifting_against_an_edit(asha: ApiClient, bilal: ApiClient, mina: ApiClient, merge: bool) -> None:
    """The author unmarks the story while a moderator lifts the mark: refused before, and done after."""
    story = asha.published_story()["id"]
    decision = mina.decided(bilal.report(story)["report"]["id"], "MARKED_NSFW")["id"]
    edits: list[Any] = []

    def edit() -> Any:
        return asha.update_story(story, {"mature": False}, "3", merge=merge)

    def meet() -> None:
        edits.append(Rival(edit).until_it_waits())

    assert said(edit()) == "HELD"
    with before(DECISION, meet):
        assert said(mina.lift(decision)) == "WRITTEN"
    assert said(edits[0].result()) in ("WRITTEN", "MERGED")
    assert Story.objects.values_list("mature", "mature_held", "version").get() == (False, False, 5)
    assert_verified()


def test_nothing_is_decided_of_who_leaves_meanwhile(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """The report is resolved all the same: there is nobody to tell, and nothing that could be appealed."""
    report = bilal.report(asha.id)["report"]["id"]
    with before(DECIDED, lambda: elsewhere(lambda: asha.delete_account(PASSWORD))):
        assert said(mina.resolve(report, "WARNED")) == "WRITTEN"
    assert not Decision.objects.exists()
    assert_verified()


def test_a_decision_is_made_while_another_is_lifted(
    asha: ApiClient, bilal: ApiClient, mina: ApiClient, nils: ApiClient, aborted: list[str]
) -> None:
    """In either order the story stays held: by the one that is in force."""
    for number, lifts_first in enumerate((False, True)):
        _, decision = removed(asha, mina, bilal, str(number))
        rivals = list[Rival]()
        reported = Report.objects.get(story_id=Story.objects.latest("created_at").pk)
        again = mina.reopen(to_id("Report", reported.pk), "2")["report"]["id"]

        def decide(again: str = again) -> Any:
            return nils.resolve(again, "REMOVED", "3")

        def lift(decision: str = decision) -> Any:
            return mina.lift(decision)

        first, second, moment = (lift, decide, DECISION) if lifts_first else (decide, lift, DECIDED)
        with before(moment, lambda second=second, rivals=rivals: rivals.append(Rival(second).until_it_waits())):
            assert said(first()) == "WRITTEN"
        assert said(rivals[0].result()) == "WRITTEN"
        assert Story.objects.latest("created_at").held
        assert Decision.objects.filter(lifted_at__isnull=True).count() == number + 1
        assert_verified()
    assert aborted == []


def test_two_decisions_are_lifted_at_once(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, mina: ApiClient, nils: ApiClient, aborted: list[str]
) -> None:
    """Each looks for the other: the story is not left held by neither."""
    for number in range(depth.rounds(10, at_least=4)):
        story = asha.published_story(str(number))["id"]
        reports = [one.report(story)["report"]["id"] for one in (bilal, chitra)]
        one, other = (mina.decided(report, "REMOVED")["id"] for report in reports)
        answers = race([partial(mina.lift, one), partial(nils.lift, other)])
        assert [said(answer) for answer in answers] == ["WRITTEN"] * 2
        assert not Story.objects.filter(held=True).exists()
    assert aborted == []
    assert_verified()


def test_a_story_is_deleted_while_it_is_held(
    asha: ApiClient, bilal: ApiClient, mina: ApiClient, aborted: list[str]
) -> None:
    """By one who has not looked: one of the two happens, and no decision is left of what was gone before."""
    count = depth.rounds(12, at_least=4)
    stories = [asha.published_story(str(number))["id"] for number in range(count)]
    reports = [bilal.report(story)["report"]["id"] for story in stories]
    answers = rounds(
        [
            lambda number: said(asha.delete_story(stories[number], "2")),
            lambda number: said(mina.resolve(reports[number], "REMOVED")),
        ],
        count,
    )
    assert {tuple(sorted(pair)) for pair in answers} == {("CONFLICT", "WRITTEN")}
    assert Decision.objects.count() == sum(pair[1] == "WRITTEN" for pair in answers)
    assert aborted == []
    assert_verified()


# --- Nobody writes who is suspended -----------------------------------------------------------------------------

FOLLOW = "social_relationship"
REPORT = 'UPDATE "moderation_report"'


def test_a_suspension_waits_for_a_write_that_is_under_way(
    asha: ApiClient, bilal: ApiClient, mina: ApiClient, aborted: list[str]
) -> None:
    """That one is finished; no other begins."""
    report, rivals = asha.report(bilal.id)["report"]["id"], list[Rival]()

    def suspend() -> None:
        rivals.append(Rival(lambda: mina.resolve(report, "SUSPENDED", days=1)).until_it_waits())

    with before(FOLLOW, suspend):
        assert said(bilal.follow(asha)) == "WRITTEN"
    assert said(rivals[0].result()) == "WRITTEN"
    assert said(bilal.unfollow(asha, "1")) == "SUSPENDED"
    assert aborted == []
    assert_verified()


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("write", ["follow", "profile", "whisper"])
def test_a_write_waits_for_a_suspension_that_is_under_way(
    asha: ApiClient, bilal: ApiClient, mina: ApiClient, write: str, keyed: bool, aborted: list[str]
) -> None:
    """And is refused, also with a token that signed in before."""
    key = "01890000-0000-7000-8000-00000000abcd" if keyed else None
    report, rivals = asha.report(bilal.id)["report"]["id"], list[Rival]()
    writes: dict[str, Callable[[], Any]] = {
        "follow": lambda: bilal.follow(asha, "0", key),
        "profile": lambda: bilal.update_profile({"bio": "Mine."}, "1", key=key),
        "whisper": lambda: bilal.create_whisper(key=key),
    }
    with before(REPORT, lambda: rivals.append(Rival(writes[write]).until_it_waits())):
        assert said(mina.resolve(report, "SUSPENDED", days=1)) == "WRITTEN"
    assert said(rivals[0].result()) == "SUSPENDED"
    assert aborted == []
    assert_verified()


def test_two_moderators_suspend_each_other(
    asha: ApiClient, mina: ApiClient, nils: ApiClient, aborted: list[str]
) -> None:
    """They lock both accounts in one order: the first does, and the other is suspended by then."""
    for _ in range(depth.rounds(8, at_least=3)):
        reports = [asha.report(one.id)["report"]["id"] for one in (nils, mina)]
        answers = race(
            [
                partial(one.resolve, report, "SUSPENDED", days=1)
                for one, report in zip((mina, nils), reports, strict=True)
            ]
        )
        assert Counter(map(said, answers)) == {"WRITTEN": 1, "SUSPENDED": 1}
        winner, loser = (mina, nils) if said(answers[0]) == "WRITTEN" else (nils, mina)
        assert said(winner.lift(answers[0 if winner is mina else 1]["report"]["decision"]["id"])) == "WRITTEN"
        assert said(loser.resolve(reports[0 if loser is mina else 1])) == "WRITTEN"
    assert aborted == []
    assert_verified()


# --- Reports that come back -------------------------------------------------------------------------------------


def test_a_chapter_is_restored_while_its_report_is_reopened(
    asha: ApiClient, bilal: ApiClient, mina: ApiClient, aborted: list[str]
) -> None:
    """It is open again, once; who reopens it either comes too late or too early."""
    for number in range(depth.rounds(8, at_least=3)):
        story = asha.published_story(str(number), chapters=2)
        chapter = story["chapters"][0]["id"]
        report = bilal.report(chapter)["report"]["id"]
        asha.delete_chapter(chapter, "1")
        revision = asha.revisions(story["id"])[0]["id"]
        answers = race(
            [lambda revision=revision: asha.restore(revision, "3"), lambda report=report: mina.reopen(report, "2")]
        )
        assert (said(answers[0]), said(answers[1])) in {("WRITTEN", "INVALID"), ("WRITTEN", "CONFLICT")}
        assert said(mina.claim(report, "3")) == "WRITTEN"
    assert Report.objects.filter(buried__isnull=False).count() == 0
    assert aborted == []
    assert_verified()
