"""Reports: who makes them of what, who sees them, and what moderators do with them."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from backend.moderation.models import Evidence, Report
from backend.stories.models import Revision, Story
from backend.whispers.models import Whisper
from schema.nodes import to_id
from tests.api import ApiClient
from tests.api.moderation import make_moderator, screen_for
from tests.schema.footprint import nothing_written

ARGUMENTS = "(status: $s, first: $first, after: $after, last: $last, before: $before)"
REPORTS = (
    "query ($s: ReportStatus, $first: Int, $after: String, $last: Int, $before: String) "
    f"{{ reports{ARGUMENTS} {{ edges {{ cursor node {{ id reason status subject {{ __typename }} }} }} "
    "pageInfo { hasNextPage hasPreviousPage } } }"
)
NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"


@pytest.fixture
def mina(person: Callable[[str], ApiClient]) -> ApiClient:
    """A moderator."""
    return make_moderator(person("mina"))


@pytest.fixture
def nils(person: Callable[[str], ApiClient]) -> ApiClient:
    """Another one."""
    return make_moderator(person("nils"))


def reported(author: ApiClient, reporter: ApiClient, text: str = "Psst.") -> tuple[str, str]:
    """The ids of a new whisper and of a report of it."""
    whisper = author.create_whisper(text)["whisper"]["id"]
    return whisper, reporter.report(whisper)["report"]["id"]


def summary(answer: Any) -> tuple[Any, ...]:
    """What a moderator's step answers in short."""
    report = answer["report"]
    claimer = report["claimedBy"] and report["claimedBy"]["handle"]
    return answer["applied"], report["version"], report["status"], report["outcome"], claimer


# --- Reporting --------------------------------------------------------------------------------------------------


def test_whatever_one_can_see_can_be_reported(asha: ApiClient, bilal: ApiClient) -> None:
    """A whisper, a story, a chapter, a person; what is reported comes back."""
    story = bilal.published_story()
    things = {
        "Whisper": bilal.create_whisper()["whisper"]["id"],
        "Story": story["id"],
        "Chapter": story["chapters"][0]["id"],
        "Person": bilal.id,
    }
    for kind, id_ in things.items():
        answer = asha.report(id_, f"This {kind}.")
        assert summary(answer) == ("WRITTEN", "1", "OPEN", None, None)
        assert answer["report"]["reason"] == f"This {kind}."
        assert (answer["report"]["subject"]["__typename"], answer["report"]["subject"]["id"]) == (kind, id_)
    assert set(Report.objects.values_list("about_id", flat=True)) == {bilal.person.pk}


def test_nobody_reports_themselves_or_their_own(asha: ApiClient) -> None:
    """It is invalid."""
    story = asha.create_story("0")["story"]
    own = [asha.id, story["id"], story["chapters"][0]["id"], asha.create_whisper()["whisper"]["id"]]
    with nothing_written():
        for id_ in own:
            assert [field["path"] for field in asha.report(id_)["fields"]] == ["subject"]


def test_what_is_hidden_looks_like_missing(asha: ApiClient, bilal: ApiClient) -> None:
    """Drafts, and everything across a block; in the same words as what never was."""
    draft = bilal.create_story("0")["story"]
    story = bilal.published_story("1")
    whisper = bilal.create_whisper()["whisper"]["id"]
    bilal.block(asha)
    hidden = [draft["id"], draft["chapters"][0]["id"], story["id"], story["chapters"][0]["id"], whisper, bilal.id]
    with nothing_written():
        for id_ in hidden:
            answer = asha.report(id_)
            kind = {"c": "chapter", "s": "story", "w": "whisper", "p": "person"}
            assert answer["code"] == "NOT_FOUND"
            assert answer["message"].removeprefix("There is no such ").removesuffix(".") in kind.values()


def test_a_second_report_gives_the_first_one_back(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """While it is not resolved; its reason stays. Who claims it is not told to the reporter."""
    whisper, report = reported(bilal, asha)
    mina.claim(report)
    again = asha.report(whisper, "Another reason.")
    assert summary(again) == ("NOOP", "2", "CLAIMED", None, None)
    assert (again["report"]["id"], again["report"]["reason"]) == (report, "Look at this.")
    mina.resolve(report, "DISMISSED", "2")
    assert asha.report(whisper)["applied"] == "WRITTEN"
    assert mina.report(whisper)["applied"] == "WRITTEN"


def test_so_many_reports_a_day(asha: ApiClient, bilal: ApiClient, settings: Any) -> None:
    """Beyond them it is forbidden; those of another day do not count, nor does a second one of the same thing."""
    settings.REPORTS_A_DAY = 2
    ids = [bilal.create_whisper()["whisper"]["id"] for _ in range(4)]
    assert [asha.report(id_)["applied"] for id_ in ids[:2]] == ["WRITTEN"] * 2
    with nothing_written():
        answer = asha.report(ids[2])
        assert (answer["code"], answer["retry"]["kind"]) == ("FORBIDDEN", "NEVER")
        assert answer["message"] == "You have made 2 reports today; make more tomorrow (UTC)."
        assert asha.report(ids[0])["applied"] == "NOOP"
    yesterday = [Report(**row) for row in Report.objects.values()]
    for row in yesterday:
        row.created_at -= timedelta(days=1)
        row.id, row.status, row.outcome = uuid.uuid4(), "RESOLVED", "DISMISSED"
    Report.objects.bulk_create(yesterday)
    settings.REPORTS_A_DAY = 3
    assert [asha.report(id_).get("applied") for id_ in ids[2:]] == ["WRITTEN", None]


def test_what_cannot_be_reported(asha: ApiClient) -> None:
    """Ids of other things, and reasons that say nothing or too much."""
    with nothing_written():
        for id_ in ("", "x", to_id("Shelf", uuid.UUID(int=7)), to_id("whisper", uuid.UUID(int=7)), to_id("Whisper")):
            assert [field["path"] for field in asha.report(id_)["fields"]] == ["subject"]
        for reason in ("", " ", "x" * 1001):
            answer = asha.report(to_id("Whisper", uuid.UUID(int=7)), reason)
            assert [field["path"] for field in answer["fields"]] == ["reason"]


# --- Who may ----------------------------------------------------------------------------------------------------


def test_only_moderators_moderate(asha: ApiClient, bilal: ApiClient, nobody: ApiClient, mina: ApiClient) -> None:
    """Others are forbidden to, and find no report of somebody else by its id; the signed-out have to sign in."""
    _, report = reported(bilal, asha)
    with nothing_written():
        for caller, code in ((bilal, "FORBIDDEN"), (nobody, "UNAUTHENTICATED")):
            for answer in (
                caller.claim(report),
                caller.unclaim(report, "1"),
                caller.reopen(report, "1"),
                caller.resolve(report),
                caller.claim(to_id("Report", uuid.UUID(int=7))),
            ):
                assert (answer["__typename"], answer["code"]) == ("ForbiddenError", code)
            errors = caller.post(REPORTS)["errors"]
            assert [error["extensions"]["code"] for error in errors] == [code]
            assert caller.ask(NODE, id=report)["node"] is None
    for caller in (mina, asha):
        assert caller.ask(NODE, id=report)["node"] == {"__typename": "Report", "id": report}
    assert mina.claim(to_id("Report", uuid.UUID(int=7)))["message"] == "There is no such report."


def test_who_is_refused_a_step_is_no_moderator_in_the_rest_of_the_request(asha: ApiClient, bilal: ApiClient) -> None:
    """Who made a report is told to moderators only, not even to whoever made it."""
    _, report = reported(bilal, asha)
    whisper = bilal.create_whisper()["whisper"]["id"]
    answer = asha.ask(
        'mutation ($r: ID!, $w: ID!) { claimReport(id: $r, expect: {version: "1"}) { __typename } '
        'report(subject: $w, reason: "Look.") { ... on ReportSuccess { report { reporter { handle } } } } }',
        r=report,
        w=whisper,
    )
    assert answer == {"claimReport": {"__typename": "ForbiddenError"}, "report": {"report": {"reporter": None}}}


def test_reports_are_listed_oldest_first(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """All, or those of one status; a page at a time, from either end."""
    ids = [reported(bilal, asha, f"{number}")[1] for number in range(7)]
    mina.claim(ids[2])

    def page(**window: Any) -> tuple[list[int], list[str], bool, bool]:
        found = mina.ask(REPORTS, **window)["reports"]
        info = found["pageInfo"]
        numbers = [ids.index(edge["node"]["id"]) for edge in found["edges"]]
        return numbers, [edge["cursor"] for edge in found["edges"]], info["hasPreviousPage"], info["hasNextPage"]

    numbers, cursors, *_ = page()
    assert numbers == list(range(7))
    assert page(s="CLAIMED")[0] == [2]
    assert page(s="OPEN")[0] == [0, 1, 3, 4, 5, 6]
    assert page(s="OPEN", first=2, after=cursors[1])[0] == [3, 4]
    numbers, _, before, after = page(first=3, after=cursors[0])
    assert (numbers, before, after) == ([1, 2, 3], True, True)
    numbers, _, before, after = page(last=2)
    assert (numbers, before, after) == ([5, 6], True, False)
    numbers, _, before, after = page(last=9, before=cursors[3])
    assert (numbers, before, after) == ([0, 1, 2], False, True)
    assert page(after=cursors[1], before=cursors[4])[0] == [2, 3]


# --- Moderators' steps ------------------------------------------------------------------------------------------


def test_a_report_goes_its_way(asha: ApiClient, bilal: ApiClient, mina: ApiClient, nils: ApiClient) -> None:
    """Claimed, let go, claimed by another, settled, opened again; each step raises the version by one."""
    _, report = reported(bilal, asha)
    assert summary(mina.claim(report)) == ("WRITTEN", "2", "CLAIMED", None, "mina")
    assert summary(mina.claim(report, "2")) == ("NOOP", "2", "CLAIMED", None, "mina")
    assert summary(nils.unclaim(report, "2")) == ("WRITTEN", "3", "OPEN", None, None)
    assert summary(nils.unclaim(report, "3")) == ("NOOP", "3", "OPEN", None, None)
    assert summary(nils.claim(report, "3")) == ("WRITTEN", "4", "CLAIMED", None, "nils")
    assert summary(nils.resolve(report, "DISMISSED", "4")) == ("WRITTEN", "5", "RESOLVED", "DISMISSED", "nils")
    assert summary(mina.resolve(report, "DISMISSED", "5")) == ("NOOP", "5", "RESOLVED", "DISMISSED", "nils")
    assert summary(mina.reopen(report, "5")) == ("WRITTEN", "6", "OPEN", None, None)
    assert summary(mina.reopen(report, "6")) == ("NOOP", "6", "OPEN", None, None)
    assert summary(mina.resolve(report, "DISMISSED", "6")) == ("WRITTEN", "7", "RESOLVED", "DISMISSED", "mina")


def test_who_comes_late_is_told_who_was_first(
    asha: ApiClient, bilal: ApiClient, mina: ApiClient, nils: ApiClient
) -> None:
    """The conflict shows who has claimed it."""
    _, report = reported(bilal, asha)
    mina.claim(report)
    with nothing_written():
        for answer in (nils.claim(report), nils.resolve(report, "REMOVED"), nils.reopen(report, "1")):
            assert answer["code"] == "CONFLICT"
            assert answer["current"]["claimedBy"] == {"handle": "mina"}
            assert (answer["current"]["version"], answer["current"]["status"]) == ("2", "CLAIMED")
            assert [one["theirs"] for one in answer["overlaps"]] == ["CLAIMED"]


def test_a_step_that_makes_no_sense_is_invalid(
    asha: ApiClient, bilal: ApiClient, mina: ApiClient, nils: ApiClient
) -> None:
    """To the version that the moderator has seen."""
    _, report = reported(bilal, asha)
    mina.claim(report)
    with nothing_written():
        invalid = [nils.claim(report, "2"), nils.resolve(report, "DISMISSED", "2"), nils.reopen(report, "2")]
        assert [answer["fields"][0]["path"] for answer in invalid] == ["id"] * 3
        assert "unclaimReport" in invalid[0]["message"]
    mina.resolve(report, "DISMISSED", "2")
    with nothing_written():
        invalid = [mina.claim(report, "3"), mina.resolve(report, "REMOVED", "3"), mina.unclaim(report, "3")]
        assert [answer["fields"][0]["path"] for answer in invalid] == ["id"] * 3
        assert "reopenReport" in invalid[0]["message"]


def test_a_report_is_not_opened_beside_another_of_the_same_person(
    asha: ApiClient, bilal: ApiClient, mina: ApiClient
) -> None:
    """One at a time."""
    whisper, report = reported(bilal, asha)
    mina.resolve(report)
    asha.report(whisper)
    with nothing_written():
        assert "another open report" in mina.reopen(report, "2")["message"]


# --- Outcomes ---------------------------------------------------------------------------------------------------


def test_a_whisper_is_marked(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """A write to it; one that is marked already stays as it is."""
    whisper, report = reported(bilal, asha)
    assert mina.resolve(report, "MARKED_NSFW")["report"]["subject"]["nsfw"] is True
    assert Whisper.objects.values_list("nsfw", "version").get() == (True, 2)
    second = asha.report(whisper)["report"]["id"]
    assert summary(mina.resolve(second, "MARKED_NSFW"))[2:4] == ("RESOLVED", "MARKED_NSFW")
    assert Whisper.objects.get().version == 2


def test_a_whisper_is_removed(asha: ApiClient, bilal: ApiClient, chitra: ApiClient, mina: ApiClient) -> None:
    """Its other reports are resolved with it, its flag goes, and its author is told when it went."""
    screen_for("REPORT", "scam")
    whisper, report = reported(bilal, asha, "scam")
    chitra.report(whisper)
    answer = mina.resolve(report, "REMOVED")
    assert summary(answer) == ("WRITTEN", "2", "RESOLVED", "REMOVED", "mina")
    assert answer["report"]["subject"] is None
    states = list(Report.objects.values_list("status", "outcome", "whisper_id", "version"))
    assert states == [("RESOLVED", "REMOVED", None, 2)] * 3
    assert not Whisper.objects.exists()
    assert bilal.delete_whisper(whisper)["deletedAt"]
    assert mina.reopen(report, "2")["fields"][0]["message"] == "is of something that has been deleted."


@pytest.mark.parametrize("chapter", [False, True])
def test_a_story_is_marked_or_taken_down(asha: ApiClient, bilal: ApiClient, mina: ApiClient, chapter: bool) -> None:
    """The story itself, or that of the chapter; its history says who did it, and its author cannot undo it."""
    story = bilal.published_story()
    subject = story["chapters"][0]["id"] if chapter else story["id"]
    mina.resolve(asha.report(subject)["report"]["id"], "MARKED_NSFW")
    assert Story.objects.values_list("mature", "version").get() == (True, 3)
    answer = mina.resolve(asha.report(subject)["report"]["id"], "REMOVED")
    assert answer["report"]["subject"] is None
    assert Story.objects.values_list("status", "version").get() == ("DRAFT", 4)
    assert list(Revision.objects.order_by("version").values_list("by__handle", flat=True)) == ["bilal", "mina", "mina"]
    count = '{ person(handle: "bilal") { storyCount } }'
    assert asha.ask(count)["person"]["storyCount"] == 0
    assert [bilal.publish(story["id"], version)["code"] for version in ("3", "4")] == ["HELD"] * 2


def test_a_story_that_is_a_draft_already_is_held_too(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """Its author has unpublished it in time, and cannot publish it again all the same."""
    story = bilal.published_story()["id"]
    report = asha.report(story)["report"]["id"]
    bilal.unpublish(story, "2")
    assert mina.resolve(report, "REMOVED")["applied"] == "WRITTEN"
    assert bilal.publish(story, "4")["code"] == "HELD"
    assert asha.ask('{ person(handle: "bilal") { storyCount } }')["person"]["storyCount"] == 0


def test_what_an_outcome_is_for(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """There is nothing of a person to mark or to take away, and no story is warned; a suspension says for how long."""
    of_person = asha.report(bilal.id)["report"]["id"]
    of_story = asha.report(bilal.published_story()["id"])["report"]["id"]
    with nothing_written():
        for report, outcomes in ((of_person, ("MARKED_NSFW", "REMOVED")), (of_story, ("WARNED", "SUSPENDED"))):
            for outcome in outcomes:
                answer = mina.resolve(report, outcome, days=1 if outcome == "SUSPENDED" else None)
                assert answer["fields"][0]["path"] == "outcome"
        for days in (None, 0, 366):
            assert mina.resolve(of_person, "SUSPENDED", days=days)["fields"][0]["path"] == "days"
        assert mina.resolve(of_person, "WARNED", days=1)["fields"][0]["path"] == "days"
        assert mina.resolve(of_person, "WARNED", reason="x" * 1001)["fields"][0]["path"] == "reason"
    assert mina.resolve(of_person)["applied"] == "WRITTEN"


def test_a_conflict_undoes_what_was_done_to_the_subject(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """The version is of the future, so nothing happens."""
    reported(bilal, asha)
    report = to_id("Report", Report.objects.get().pk)
    with nothing_written():
        for outcome in ("MARKED_NSFW", "REMOVED"):
            assert mina.resolve(report, outcome, "9")["code"] == "CONFLICT"


# --- Subjects ---------------------------------------------------------------------------------------------------


def test_deleting_a_subject_resolves_its_reports(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """A story with those of its chapters, and a chapter; what had come of a report before stays, and nothing is kept."""
    story = bilal.published_story(chapters=2)
    one, two = (chapter["id"] for chapter in story["chapters"])
    of_one, of_two, of_story = (asha.report(id_)["report"]["id"] for id_ in (one, two, story["id"]))
    mina.resolve(of_two)
    bilal.delete_chapter(one, "1")
    assert summary(mina.reopen(of_two, "2"))[2] == "OPEN"
    mina.resolve(of_two, "DISMISSED", "3")
    assert bilal.delete_story(story["id"], "3")["applied"] == "WRITTEN"
    rows = {to_id("Report", row.pk): (row.status, row.outcome, row.subject_key) for row in Report.objects.all()}
    assert rows == {
        of_one: ("RESOLVED", "REMOVED", None),
        of_two: ("RESOLVED", "DISMISSED", None),
        of_story: ("RESOLVED", "REMOVED", None),
    }
    for late in (mina.claim(of_story), mina.reopen(of_story, "1"), mina.resolve(of_story)):
        assert (late["code"], late["current"]["subject"]) == ("CONFLICT", None)
    assert "has been deleted" in mina.reopen(of_story, "2")["message"]
    assert not Evidence.objects.exists()
    assert not Report.objects.filter(buried__isnull=False).exists()


def test_moderators_see_what_they_have_to_judge(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """A draft, and across a block, as long as the report is not resolved; afterwards as anybody in their place."""
    story = bilal.published_story()
    things = [story["id"], story["chapters"][0]["id"], bilal.create_whisper()["whisper"]["id"], bilal.id]
    reports = [asha.report(id_)["report"]["id"] for id_ in things]
    bilal.unpublish(story["id"], "2")
    bilal.block(mina)
    bilal.block(asha)
    for report, id_ in zip(reports, things, strict=True):
        assert asha.report(id_)["code"] == "NOT_FOUND"
        assert mina.ask(NODE, id=id_)["node"] is None
        assert mina.claim(report)["report"]["subject"]["id"] == id_
    listed = mina.ask(REPORTS)["reports"]["edges"]
    assert [edge["node"]["subject"]["__typename"] for edge in listed] == ["Story", "Chapter", "Whisper", "Person"]
    for report in reports:
        assert mina.resolve(report, "DISMISSED", "2")["report"]["subject"] is None
    assert Report.objects.filter(version=F("state_changed")).count() == 4


def test_settled_in_the_same_way_means_in_every_part(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """Other words to the author, or another number of days, are not taken for what was done: they would be lost in silence."""
    report = asha.report(bilal.id)["report"]["id"]
    given: dict[str, Any] = {"reason": "Rude.", "days": 3}
    assert mina.resolve(report, "SUSPENDED", **given)["applied"] == "WRITTEN"
    with nothing_written():
        assert mina.resolve(report, "SUSPENDED", "2", **given)["applied"] == "NOOP"
        for other in ({"days": 30}, {"reason": "Very rude."}):
            assert mina.resolve(report, "SUSPENDED", "2", **{**given, **other})["code"] == "INVALID", other
