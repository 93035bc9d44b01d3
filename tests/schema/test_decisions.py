"""Decisions of moderators: what they hold, who is told, one appeal, suspensions, and the log."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from backend.erasure import sweeping
from backend.moderation.models import Decision, ModerationAction, Report
from backend.people.models import Account
from backend.stories.models import Story, StoryStatus
from backend.whispers.models import Whisper
from tests.api import PASSWORD, ApiClient
from tests.api.moderation import DECISION, make_moderator, screen_for
from tests.departure_fixture import leave
from tests.races.rows import assert_verified
from tests.schema.footprint import nothing_written
from tests.writing import write

TOLD = (
    "{ viewer { notifications { edges { node { kind story { id } decision { outcome reason appeal { outcome answer } } "
    "report { outcome claimedBy { handle } } } } } } }"
)
MINE = f"{{ viewer {{ suspendedUntil decisions {{ edges {{ node {{ {DECISION} report {{ id }} }} }} }} }} }}"
REPORTED = "{ viewer { reports { edges { node { status outcome reporter { handle } claimedBy { handle } } } } } }"
LOG = "{ moderationLog { edges { node { kind outcome moderator { handle } person { handle } decision { id } } } } }"
NODE = "query ($id: ID!) { node(id: $id) { __typename } }"
HOLDING = (
    'mutation ($id: ID!) { publishStory(id: $id, expect: {version: "3"}) { ... on ForbiddenError { code message '
    "until retry { kind } decision { id outcome reason appeal { outcome } moderator { handle } } } } }"
)


@pytest.fixture
def mina(person: Callable[[str], ApiClient]) -> ApiClient:
    """A moderator."""
    return make_moderator(person("mina"))


@pytest.fixture
def nils(person: Callable[[str], ApiClient]) -> ApiClient:
    """Another one."""
    return make_moderator(person("nils"))


def nodes(connection: Any) -> list[Any]:
    """The nodes of a page."""
    return [edge["node"] for edge in connection["edges"]]


def told(caller: ApiClient) -> list[Any]:
    """What somebody is told of, newest first."""
    return nodes(caller.ask(TOLD)["viewer"]["notifications"])


def removed(asha: ApiClient, bilal: ApiClient, mina: ApiClient, reason: str = "") -> tuple[str, Any]:
    """A story of bilal's that was taken down, and the decision."""
    story = bilal.published_story()["id"]
    return story, mina.decided(asha.report(story)["report"]["id"], "REMOVED", reason=reason)


# --- Holds ------------------------------------------------------------------------------------------------------


def test_what_was_taken_down_is_not_published_again(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """Until a moderator lifts it; the refusal says why, and what to do. It can be edited, and deleted."""
    story, decision = removed(asha, bilal, mina, reason="It is spam.")
    with nothing_written():
        refused = bilal.ask(HOLDING, id=story)["publishStory"]
    assert (refused["code"], refused["until"], refused["retry"]["kind"]) == ("HELD", None, "NEVER")
    assert "appealDecision" in refused["message"]
    shown = {"id": decision["id"], "outcome": "REMOVED", "reason": "It is spam.", "appeal": None, "moderator": None}
    assert refused["decision"] == shown
    assert bilal.update_story(story, {"title": "Better"}, "3")["applied"] == "WRITTEN"
    assert bilal.append(story)["applied"] == "WRITTEN"
    assert bilal.publish(story, "5")["code"] == "HELD"
    assert mina.lift(decision["id"])["applied"] == "WRITTEN"
    assert bilal.publish(story, "6")["applied"] == "WRITTEN"
    assert bilal.delete_story(story, "7")["applied"] == "WRITTEN"
    assert mina.lift(decision["id"], "2")["applied"] == "NOOP"
    assert_verified()


def test_a_hold_ends_with_its_own_decision(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, mina: ApiClient
) -> None:
    """Of several the first is named. One of another story, or of another kind, neither keeps it nor is named."""
    one, two = (bilal.published_story(version)["id"] for version in ("0", "1"))
    reports = [
        who.report(story)["report"]["id"] for story, who in ((two, asha), (one, asha), (one, chitra), (one, mina))
    ]
    *_, mark = reports
    other, first, second = (
        mina.decided(report, "REMOVED", reason=reason)
        for report, reason in zip(reports, ("Other.", "First.", "Second."), strict=False)
    )
    mina.decided(mark, "MARKED_NSFW", reason="Mark.")

    held = "... on ForbiddenError { decision { reason } } ... on StorySuccess { applied }"
    query = f"mutation ($id: ID!, $e: Expect!) {{ publishStory(id: $id, expect: $e) {{ {held} }} }}"

    def named(story: str) -> Any:
        answer = bilal.ask(query, id=story, e={"version": bilal.version_of(story)})["publishStory"]
        return answer["decision"]["reason"] if "decision" in answer else answer["applied"]

    assert (named(one), named(two)) == ("First.", "Other.")
    mina.lift(first["id"])
    assert named(one) == "Second."
    mina.lift(second["id"])
    assert (named(one), named(two)) == ("WRITTEN", "Other.")
    assert bilal.update_story(one, {"mature": False}, bilal.version_of(one))["code"] == "HELD"
    mina.lift(other["id"])
    assert named(two) == "WRITTEN"
    assert_verified()


@pytest.mark.parametrize("merge", [False, True])
def test_what_was_marked_stays_mature(asha: ApiClient, bilal: ApiClient, mina: ApiClient, merge: bool) -> None:
    """By an edit and by a restored revision; other fields go through. Once it is lifted, its author says again."""
    story = bilal.published_story()["id"]
    decision = mina.decided(asha.report(story)["report"]["id"], "MARKED_NSFW")
    marking = next(one for one in bilal.revisions(story) if "mature" in one["changed"])["id"]
    with nothing_written():
        for version in ("3",) if merge else ("2", "3"):
            assert bilal.update_story(story, {"mature": False}, version, merge=merge)["code"] == "HELD"
            assert bilal.update_story(story, {"mature": False, "title": "T"}, version, merge=merge)["code"] == "HELD"
        if merge:  # sent as it was seen, it is no change
            merged = bilal.update_story(story, {"mature": False}, "2", merge=True)
            assert (merged["applied"], merged["story"]["mature"]) == ("MERGED", True)
        assert bilal.restore(marking, "3")["code"] == "HELD"
    assert bilal.update_story(story, {"title": "T", "mature": True}, "3", merge=merge)["applied"] == "WRITTEN"
    assert mina.lift(decision["id"])["applied"] == "WRITTEN"
    assert Story.objects.values_list("mature", "mature_held").get() == (True, False)
    assert bilal.update_story(story, {"mature": False}, "5", merge=merge)["applied"] == "WRITTEN"
    assert_verified()


@pytest.mark.parametrize("outcome", ["REMOVED", "MARKED_NSFW"])
def test_the_database_holds_it_too(asha: ApiClient, bilal: ApiClient, mina: ApiClient, outcome: str) -> None:
    """A write that forgets the condition is refused by a constraint."""
    story = bilal.published_story()["id"]
    mina.decided(asha.report(story)["report"]["id"], outcome)
    held = Story.objects.get()
    values: dict[str, Any] = {"mature": False, "mature_changed": held.version + 1}
    if outcome == "REMOVED":
        values = {"status": StoryStatus.PUBLISHED, "published_at": held.created_at, "status_changed": held.version + 1}
    with pytest.raises(IntegrityError, match="story_held_is"), transaction.atomic():
        write(Story.objects.filter(pk=held.pk), **values, version=held.version + 1)


def test_a_hold_goes_with_the_last_decision(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, mina: ApiClient
) -> None:
    """Two reports, two decisions: to lift one of them lets nobody publish."""
    story = bilal.published_story()
    reports = [asha.report(story["id"]), chitra.report(story["chapters"][0]["id"])]
    first, second = (mina.decided(one["report"]["id"], "REMOVED")["id"] for one in reports)
    in_force = "query ($id: ID!) { story(id: $id) { decisions { id } } }"
    assert bilal.ask(in_force, id=story["id"])["story"]["decisions"] == [{"id": first}, {"id": second}]
    mina.lift(first)
    assert bilal.publish(story["id"], "3")["code"] == "HELD"
    mina.lift(second)
    assert bilal.ask(in_force, id=story["id"])["story"]["decisions"] == []
    assert bilal.publish(story["id"], "4")["applied"] == "WRITTEN"
    assert_verified()


def test_a_removed_whisper_comes_back(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """With its id, its text and its date, and a version that it never had."""
    whisper = bilal.create_whisper("Psst.")["whisper"]["id"]
    before = Whisper.objects.get()
    decision = mina.decided(asha.report(whisper)["report"]["id"], "REMOVED")
    assert (decision["excerpt"], Whisper.objects.count()) == ("Psst.", 0)
    assert mina.lift(decision["id"])["applied"] == "WRITTEN"
    after = Whisper.objects.get()
    assert (after.pk, after.text, after.nsfw, after.created_at) == (before.pk, "Psst.", False, before.created_at)
    assert (before.version, after.version) == (1, 2)
    assert bilal.delete_whisper(whisper, "2")["applied"] == "WRITTEN"
    assert_verified()


@pytest.mark.parametrize(("nsfw", "word", "left"), [(False, "x", False), (True, "x", True), (False, "gore", True)])
def test_a_marked_whisper_is_unmarked(
    asha: ApiClient, bilal: ApiClient, mina: ApiClient, nsfw: bool, word: str, left: bool
) -> None:
    """Unless its author or its screening had marked it."""
    screen_for("FLAG", "gore")
    whisper = bilal.create_whisper(f"A {word}.", nsfw=nsfw)["whisper"]["id"]
    mina.lift(mina.decided(asha.report(whisper)["report"]["id"], "MARKED_NSFW")["id"])
    assert Whisper.objects.get().nsfw is left
    assert_verified()


# --- Who is told ------------------------------------------------------------------------------------------------


def test_both_sides_learn_what_became_of_it(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """The author with the reason, and not by whom; the reporter with the outcome, and not who settled it."""
    _, decision = removed(asha, bilal, mina, reason="It is spam.")
    (of_author,) = told(bilal)
    assert of_author["kind"] == "DECISION_MADE"
    assert of_author["decision"] == {"outcome": "REMOVED", "reason": "It is spam.", "appeal": None}
    (of_reporter,) = told(asha)
    assert (of_reporter["kind"], of_reporter["decision"]) == ("REPORT_RESOLVED", None)
    assert of_reporter["report"] == {"outcome": "REMOVED", "claimedBy": None}
    (mine,) = nodes(bilal.ask(MINE)["viewer"]["decisions"])
    assert (mine["id"], mine["moderator"], mine["report"]) == (decision["id"], None, None)
    assert mine["person"] == {"handle": "bilal"}
    (report,) = nodes(asha.ask(REPORTED)["viewer"]["reports"])
    assert report == {"status": "RESOLVED", "outcome": "REMOVED", "reporter": None, "claimedBy": None}
    mina.lift(decision["id"])
    assert [one["kind"] for one in told(bilal)] == ["DECISION_LIFTED", "DECISION_MADE"]
    assert_verified()


def test_a_dismissed_report_is_told_to_its_reporter_alone(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """Nothing was decided against anybody. Who settles a report of their own is not told."""
    mina.resolve(asha.report(bilal.id)["report"]["id"])
    assert [one["report"]["outcome"] for one in told(asha)] == ["DISMISSED"]
    mina.resolve(mina.report(bilal.id)["report"]["id"])
    assert told(bilal) == told(mina) == []
    assert not Decision.objects.exists()


def test_others_find_neither(asha: ApiClient, bilal: ApiClient, chitra: ApiClient, mina: ApiClient) -> None:
    """A report is found by who made it, a decision by whom it is against, and both by moderators."""
    report = asha.report(bilal.id)["report"]["id"]
    decision = mina.decided(report, "WARNED")["id"]
    for id_, finds in ((report, (asha, mina)), (decision, (bilal, mina))):
        for caller in (asha, bilal, chitra, mina):
            assert (caller.ask(NODE, id=id_)["node"] is not None) is (caller in finds)
    for list_ in (REPORTED, MINE):
        assert '"edges": []' in str(chitra.ask(list_)).replace("'", '"')


# --- Reports that come back -------------------------------------------------------------------------------------


def restored(author: ApiClient, story: str, version: str) -> None:
    """Bring the chapter back that was deleted last."""
    assert author.restore(author.revisions(story)[0]["id"], version)["applied"] == "WRITTEN"


def test_a_report_comes_back_with_its_chapter(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, nils: ApiClient, mina: ApiClient
) -> None:
    """Open and claimed ones are open, resolved ones can be reopened; moderators see what was reported, not what came back."""
    story = bilal.published_story(chapters=2)
    chapter = story["chapters"][0]["id"]
    opened, claimed, resolved = (one.report(chapter)["report"]["id"] for one in (asha, chitra, nils))
    mina.claim(claimed)
    mina.resolve(resolved)
    bilal.update_chapter(chapter, {"body": "Harmless."}, "1")
    bilal.delete_chapter(chapter, "2")
    assert set(Report.objects.values_list("status", "chapter_id")) == {("RESOLVED", None)}
    assert "deleted" in mina.reopen(opened, "2")["message"]
    restored(bilal, story["id"], "4")
    states = {(one.reporter.handle, one.status, one.outcome, one.claimed_by_id) for one in Report.objects.all()}
    assert {one[:3] for one in states} == {
        ("asha", "OPEN", None),
        ("chitra", "OPEN", None),
        ("nils", "RESOLVED", "DISMISSED"),
    }
    assert {one[3] for one in states if one[0] != "nils"} == {None}
    body = "query ($id: ID!) { node(id: $id) { ... on Report { subject { ... on Chapter { id body } } } } }"
    assert mina.ask(body, id=opened)["node"]["subject"] == {"id": chapter, "body": "Text 1."}
    assert mina.reopen(resolved, "4")["applied"] == "WRITTEN"
    assert asha.report(chapter)["applied"] == "NOOP"
    assert_verified()


def test_it_comes_back_as_often_as_its_chapter(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """And not once its story is gone."""
    story = bilal.published_story(chapters=2)
    chapter, report = story["chapters"][0]["id"], asha.report(story["chapters"][0]["id"])["report"]["id"]
    for version, chapter_version in (("3", "1"), ("5", "4")):
        assert bilal.delete_chapter(chapter, chapter_version)["applied"] == "WRITTEN"
        restored(bilal, story["id"], version)
    assert mina.claim(report, "5")["applied"] == "WRITTEN"
    assert bilal.delete_chapter(chapter, "6")["applied"] == "WRITTEN"
    assert bilal.delete_story(story["id"], "7")["applied"] == "WRITTEN"
    assert Report.objects.values_list("status", "buried", "evidence_id").get() == ("RESOLVED", None, None)
    assert_verified()


# --- Appeals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["UPHELD", "OVERTURNED"])
def test_an_appeal_goes_its_way(
    asha: ApiClient, bilal: ApiClient, mina: ApiClient, nils: ApiClient, outcome: str
) -> None:
    """Once, to another moderator, who sees what it is about; its author is told."""
    story, decision = removed(asha, bilal, mina)
    assert bilal.appeal(decision["id"], text="It is art.")["decision"]["appeal"] == {
        "text": "It is art.",
        "outcome": None,
        "answer": "",
    }
    assert bilal.appeal(decision["id"], "2", text="It is art.")["applied"] == "NOOP"
    with nothing_written():
        assert bilal.appeal(decision["id"], "2", text="Again.")["code"] == "INVALID"
        assert mina.judge(decision["id"], outcome)["code"] == "FORBIDDEN"
        assert "resolveAppeal" in mina.lift(decision["id"], "2")["message"]
        assert asha.judge(decision["id"], outcome)["code"] == "FORBIDDEN"
    listed = f"{{ decisions(appealed: true) {{ edges {{ node {{ {DECISION} report {{ subject {{ id }} }} }} }} }} }}"
    (waiting,) = nodes(nils.ask(listed)["decisions"])
    assert (waiting["moderator"], waiting["report"]["subject"]) == ({"handle": "mina"}, {"id": story})
    judged = nils.judge(decision["id"], outcome, answer="We looked again.")
    assert judged["decision"]["appeal"]["outcome"] == outcome
    assert nils.judge(decision["id"], outcome, "3", answer="We looked again.")["applied"] == "NOOP"
    assert nodes(nils.ask(listed)["decisions"]) == []
    newest = told(bilal)[0]
    assert (newest["kind"], newest["decision"]["appeal"]) == (
        "APPEAL_JUDGED",
        {"outcome": outcome, "answer": "We looked again."},
    )
    assert (bilal.publish(story, "4" if outcome == "OVERTURNED" else "3").get("code")) == (
        None if outcome == "OVERTURNED" else "HELD"
    )
    with nothing_written():
        other = "UPHELD" if outcome == "OVERTURNED" else "OVERTURNED"
        assert nils.judge(decision["id"], other, "3")["code"] == "INVALID"
        assert bilal.appeal(decision["id"], "3", text="Once more.")["code"] == "INVALID"
    assert_verified()


def test_the_only_moderator_judges_their_own(
    asha: ApiClient, bilal: ApiClient, mina: ApiClient, nils: ApiClient
) -> None:
    """As does one whose colleagues are suspended or barred; whom it is against is none of those who could."""
    decision = mina.decided(asha.report(nils.id)["report"]["id"], "WARNED")["id"]
    assert nils.appeal(decision)["applied"] == "WRITTEN"
    with nothing_written():
        assert nils.judge(decision, "OVERTURNED")["code"] == "FORBIDDEN"
    assert mina.judge(decision, "UPHELD")["applied"] == "WRITTEN"
    other = mina.decided(asha.report(bilal.id)["report"]["id"], "WARNED")["id"]
    bilal.appeal(other)
    assert mina.judge(other, "UPHELD")["code"] == "FORBIDDEN"
    suspension = mina.decided(asha.report(nils.id)["report"]["id"], "SUSPENDED", days=1)["id"]
    assert mina.judge(other, "UPHELD")["applied"] == "WRITTEN"
    mina.lift(suspension)
    another = removed(asha, bilal, mina)[1]["id"]
    bilal.appeal(another)
    assert mina.judge(another, "UPHELD")["code"] == "FORBIDDEN"
    Account.objects.filter(pk=nils.person.pk).update(is_active=False)
    assert mina.judge(another, "UPHELD")["applied"] == "WRITTEN"


def test_a_report_is_decided_as_it_was_last(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """The same again is a NOOP; what was decided before it was reopened, or of another report, is not the same."""
    report = asha.report(bilal.id)["report"]["id"]
    mina.decided(report, "WARNED", reason="One.")
    assert mina.reopen(report, "2")["applied"] == "WRITTEN"
    mina.decided(report, "WARNED", "3", reason="Two.")
    removed(asha, bilal, mina, "Three.")
    with nothing_written():
        assert mina.resolve(report, "WARNED", "4", reason="Two.")["applied"] == "NOOP"
        assert mina.resolve(report, "WARNED", "4", reason="One.")["code"] == "INVALID"


def test_there_has_to_be_something_to_appeal(
    asha: ApiClient, bilal: ApiClient, mina: ApiClient, nils: ApiClient
) -> None:
    """Not what was lifted, not what is another's, and not without a word."""
    decision = mina.decided(asha.report(bilal.id)["report"]["id"], "WARNED")["id"]
    with nothing_written():
        for caller in (asha, mina, nils):
            assert caller.appeal(decision)["code"] == "NOT_FOUND"
        assert [field["path"] for field in bilal.appeal(decision, text=" ")["fields"]] == ["text"]
        assert "nobody has appealed" in nils.judge(decision, "UPHELD", "1")["message"]
    mina.lift(decision)
    with nothing_written():
        assert bilal.appeal(decision)["code"] == "CONFLICT"
        assert "lifted" in bilal.appeal(decision, "2")["message"]


# --- Suspensions ------------------------------------------------------------------------------------------------


def test_who_is_suspended_reads_and_does_not_write(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """Until when is told; their own account, where they read, and an appeal are theirs all the same."""
    story = asha.published_story()
    decision = mina.decided(asha.report(bilal.id)["report"]["id"], "SUSPENDED", days=3, reason="Enough.")
    follow = (
        'mutation ($id: ID!) { follow(person: $id, expect: {version: "0"}) { ... on ForbiddenError { code until '
        "decision { id reason } } } }"
    )
    with nothing_written():
        refused = bilal.ask(follow, id=asha.id)["follow"]
        for answer in (
            bilal.create_whisper(),
            bilal.create_story("0"),
            bilal.report(story["id"]),
            bilal.update_profile({"bio": "Rude."}, "1"),
            bilal.block(asha),
        ):
            assert (answer["__typename"], answer["code"]) == ("ForbiddenError", "SUSPENDED")
    assert (refused["code"], refused["decision"]) == ("SUSPENDED", {"id": decision["id"], "reason": "Enough."})
    left = datetime.fromisoformat(refused["until"]) - datetime.now(UTC)
    assert timedelta(days=2, hours=23) < left <= timedelta(days=3)
    assert bilal.ask(MINE)["viewer"]["suspendedUntil"] == refused["until"] == decision["until"]
    assert bilal.record_view(story["id"])["applied"] == "WRITTEN"
    assert bilal.change_password(PASSWORD, "another good password")["applied"] == "WRITTEN"
    assert bilal.appeal(decision["id"])["applied"] == "WRITTEN"
    assert asha.ask('{ person(handle: "bilal") { handle suspendedUntil } }')["person"]["suspendedUntil"] is None
    Account.objects.filter(pk=bilal.person.pk).update(suspended_until=datetime.now(UTC))
    assert bilal.create_whisper()["applied"] == "WRITTEN"
    assert bilal.ask(MINE)["viewer"]["suspendedUntil"] is None


def test_a_moderator_who_is_suspended_moderates_nothing(
    asha: ApiClient, bilal: ApiClient, mina: ApiClient, nils: ApiClient
) -> None:
    """Not their own decision either."""
    report = asha.report(bilal.id)["report"]["id"]
    decision = mina.decided(asha.report(nils.id)["report"]["id"], "SUSPENDED", days=3)["id"]
    with nothing_written():
        assert nils.claim(report)["code"] == nils.lift(decision)["code"] == "SUSPENDED"
    mina.lift(decision)
    assert nils.claim(report)["applied"] == "WRITTEN"


def test_the_longest_suspension_counts(asha: ApiClient, chitra: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """A shorter one changes nothing, and stays when the longer one is lifted."""
    long, short = (
        mina.decided(one.report(bilal.id)["report"]["id"], "SUSPENDED", days=days)
        for one, days in ((asha, 9), (chitra, 2))
    )
    for decision, left in ((None, long["until"]), (long, short["until"]), (short, None)):
        if decision is not None:
            assert mina.lift(decision["id"])["applied"] == "WRITTEN"
        assert bilal.ask(MINE)["viewer"]["suspendedUntil"] == left
        assert_verified()


# --- The log ----------------------------------------------------------------------------------------------------


def test_every_step_is_in_the_log(asha: ApiClient, bilal: ApiClient, mina: ApiClient, nils: ApiClient) -> None:
    """Newest first, with who did it; what changed nothing is not, and nobody reads what was about them."""
    report = asha.report(bilal.id)["report"]["id"]
    mina.claim(report)
    mina.claim(report, "2")
    mina.unclaim(report, "2")
    decision = mina.decided(report, "WARNED", "3")["id"]
    bilal.appeal(decision)
    nils.judge(decision, "UPHELD")
    mina.lift(decision, "3")
    nils.reopen(report, "4")
    log = nodes(mina.ask(LOG)["moderationLog"])
    assert [(one["kind"], one["outcome"], one["moderator"]["handle"]) for one in log] == [
        ("REOPENED", None, "nils"),
        ("LIFTED", "WARNED", "mina"),
        ("UPHELD", "WARNED", "nils"),
        ("RESOLVED", "WARNED", "mina"),
        ("UNCLAIMED", None, "mina"),
        ("CLAIMED", None, "mina"),
    ]
    assert {one["person"]["handle"] for one in log} == {"bilal"}
    assert [one["decision"] and one["decision"]["id"] for one in log] == [
        None,
        decision,
        decision,
        decision,
        None,
        None,
    ]
    make_moderator(bilal)
    assert nodes(bilal.ask(LOG)["moderationLog"]) == []
    assert asha.post(LOG)["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def test_the_log_outlasts_whom_it_is_about(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """Their decisions go with them, and the line says no more of them."""
    mina.decided(asha.report(bilal.id)["report"]["id"], "WARNED")
    leave(bilal)
    assert nodes(mina.ask("{ decisions { edges { node { id } } } }")["decisions"]) == []
    sweeping.sweep(bilal.person.pk)
    assert (Decision.objects.count(), ModerationAction.objects.count()) == (0, 1)
    (line,) = nodes(mina.ask(LOG)["moderationLog"])
    assert (line["kind"], line["person"], line["decision"]) == ("RESOLVED", None, None)
    assert_verified()
