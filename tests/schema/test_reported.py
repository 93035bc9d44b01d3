"""What moderators see: what was reported as it was then, nothing of themselves; and each look at what is hidden is logged."""

from collections.abc import Callable
from typing import Any

import pytest

from backend.erasure import sweeping
from backend.moderation.models import Evidence, Report
from tests.api import ApiClient
from tests.api.moderation import make_moderator
from tests.departure_fixture import leave
from tests.schema.footprint import nothing_written

STORY = (
    "id version title summary warnings status mature chapterCount chapters { id position title body story { title } }"
)
REPORT = (
    f"id version status reporter {{ handle }} subject {{ __typename ... on Story {{ {STORY} }} "
    f"... on Chapter {{ id version position title body story {{ {STORY} }} }} "
    "... on Person { id version handle name bio followerCount } ... on Whisper { text nsfw } }"
)
REPORTS = f"{{ reports {{ edges {{ node {{ {REPORT} }} }} }} }}"
NODE = f"query ($id: ID!) {{ node(id: $id) {{ ... on Report {{ {REPORT} }} }} }}"
STEPS: dict[str, Callable[[ApiClient, str, str], Any]] = {
    "claim": lambda caller, report, version: caller.claim(report, version),
    "unclaim": lambda caller, report, version: caller.unclaim(report, version),
    "resolve": lambda caller, report, version: caller.resolve(report, "DISMISSED", version),
    "reopen": lambda caller, report, version: caller.reopen(report, version),
}


@pytest.fixture
def mina(person: Callable[[str], ApiClient]) -> ApiClient:
    """A moderator."""
    return make_moderator(person("mina"))


@pytest.fixture
def looks(caplog: pytest.LogCaptureFixture) -> Callable[[], list[tuple[str, str]]]:
    """Takes who has looked at what, as the log has it."""
    caplog.set_level("INFO", "katha")

    def taken() -> list[tuple[str, str]]:
        found: list[Any] = [one for one in caplog.records if one.getMessage() == "looked at what is not public"]
        caplog.clear()
        return [(one.viewer, one.type) for one in found]

    return taken


def subject(caller: ApiClient, report: str) -> Any:
    """What a report is of, as somebody gets it by its id."""
    return caller.ask(NODE, id=report)["node"]["subject"]


def rewritten(author: ApiClient, story: Any) -> None:
    """Write every text of a story anew, after it was published: one chapter is changed, one deleted, one added."""
    first, second = (chapter["id"] for chapter in story["chapters"])
    author.update_story(story["id"], {"title": "LATER", "summary": "LATER", "warnings": ["GORE"]}, "2")
    author.update_chapter(first, {"title": "LATER", "body": "LATER"}, "1")
    author.delete_chapter(second, "1")
    assert author.append(story["id"], "LATER", "LATER")["applied"] == "WRITTEN"


def bodies(of: Any) -> list[str]:
    """The texts of a story's chapters."""
    return [chapter["body"] for chapter in of["chapters"]]


def test_a_story_is_shown_as_it_was_reported(
    asha: ApiClient, bilal: ApiClient, mina: ApiClient, looks: Callable[[], list[tuple[str, str]]]
) -> None:
    """Published and edited, taken down and edited, settled and opened again: never what its author wrote since."""
    story = bilal.published_story(chapters=2)
    report = asha.report(story["id"])["report"]["id"]
    before = subject(mina, report)
    assert (before["title"], bodies(before), before["chapterCount"]) == ("A story", ["Text 1.", "Text 2."], 2)
    assert looks() == []
    rewritten(bilal, story)
    assert subject(mina, report) == before
    assert looks() == [(str(mina.person.pk), "Story")]
    assert mina.resolve(report, "REMOVED")["report"]["subject"] is None
    bilal.update_story(story["id"], {"summary": "LATER STILL"}, "7")
    assert subject(mina, report) is None
    assert looks() == []
    opened = mina.reopen(report, "2")["report"]["subject"]
    assert (opened["title"], opened["status"]) == ("A story", "DRAFT")
    assert subject(mina, report) == {**before, "status": "DRAFT"}
    assert looks() == [(str(mina.person.pk), "Story")] * 2
    assert mina.ask("query ($id: ID!) { story(id: $id) { id } }", id=story["id"])["story"] is None


def test_a_chapter_is_shown_as_it_was_reported(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """With its story: the public one, or of a draft the title that it had, and that chapter alone."""
    story = bilal.published_story(chapters=2)
    report = asha.report(story["chapters"][0]["id"])["report"]["id"]
    rewritten(bilal, story)
    shown = subject(mina, report)
    assert (shown["title"], shown["body"], shown["version"]) == ("Chapter 1", "Text 1.", "1")
    assert shown["story"]["title"] == "LATER"
    assert bilal.unpublish(story["id"], "6")["applied"] == "WRITTEN"
    shown = subject(mina, report)
    assert (shown["title"], shown["body"]) == ("Chapter 1", "Text 1.")
    assert (shown["story"]["title"], shown["story"]["summary"], bodies(shown["story"])) == ("A story", "", ["Text 1."])


def test_a_person_is_shown_as_they_were_reported(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """What they said about themselves; across a block no more than that."""
    asha.follow(bilal)
    bilal.update_profile({"name": "Rude", "bio": "Rude."}, "1")
    report = asha.report(bilal.id)["report"]["id"]
    bilal.update_profile({"name": "Polite", "bio": "Polite."}, "2")
    of_then = {
        "__typename": "Person",
        "id": bilal.id,
        "handle": "bilal",
        "version": "2",
        "name": "Rude",
        "bio": "Rude.",
    }
    assert subject(mina, report) == {**of_then, "followerCount": 1}
    bilal.block(mina)
    assert subject(mina, report) == {**of_then, "followerCount": 0}


def test_two_reports_show_what_each_was_of(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, mina: ApiClient
) -> None:
    """In one list; what several report of one version is kept once."""
    story = bilal.published_story()
    asha.report(story["id"])
    mina.report(story["id"])
    bilal.update_story(story["id"], {"title": "Second"}, "2")
    bilal.update_chapter(story["chapters"][0]["id"], {"body": "Second."}, "1")
    chitra.report(story["id"])
    shown = [edge["node"]["subject"] for edge in mina.ask(REPORTS)["reports"]["edges"]]
    assert [(one["title"], bodies(one)) for one in shown] == [("A story", ["Text 1."])] * 2 + [("Second", ["Second."])]
    assert Evidence.objects.count() == 2


def test_who_reported_it_sees_it_as_anybody(asha: ApiClient, bilal: ApiClient) -> None:
    """What was kept is for moderators."""
    story = bilal.published_story()
    success = f"... on ReportSuccess {{ report {{ {REPORT} }} }}"
    query = f'mutation ($s: ID!) {{ report(subject: $s, reason: "Look.") {{ {success} }} }}'
    assert asha.ask(query, s=story["id"])["report"]["report"]["subject"]["title"] == "A story"
    bilal.update_story(story["id"], {"title": "Second"}, "2")
    assert asha.ask(query, s=story["id"])["report"]["report"]["subject"]["title"] == "Second"


def test_what_was_kept_goes_with_the_thing(asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
    """Of a chapter, which can be restored, with its story; the reports stay."""
    story = bilal.published_story(chapters=2)
    reports = [asha.report(one)["report"]["id"] for one in (story["chapters"][0]["id"], story["id"])]
    bilal.delete_chapter(story["chapters"][0]["id"], "1")
    assert Evidence.objects.count() == 2
    bilal.delete_story(story["id"], "3")
    assert not Evidence.objects.exists()
    assert [(subject(mina, one), Report.objects.count()) for one in reports] == [(None, 2)] * 2


# --- Of themselves ----------------------------------------------------------------------------------------------


def of_mina(mina: ApiClient) -> list[str]:
    """The moderator and one thing of theirs of each kind."""
    story = mina.published_story()
    return [mina.id, story["id"], story["chapters"][0]["id"], mina.create_whisper()["whisper"]["id"]]


def test_nobody_finds_reports_about_themselves(
    asha: ApiClient, mina: ApiClient, person: Callable[[str], ApiClient]
) -> None:
    """Neither in the list nor by id, also not after somebody else has settled them; others do."""
    nils = make_moderator(person("nils"))
    reports = [asha.report(one)["report"]["id"] for one in of_mina(mina)]
    for settle in (False, True):
        for report in reports if settle else ():
            nils.resolve(report)
        assert mina.ask(REPORTS)["reports"]["edges"] == []
        assert [mina.ask(NODE, id=report)["node"] for report in reports] == [None] * 4
        assert len(nils.ask(REPORTS)["reports"]["edges"]) == 4


@pytest.mark.parametrize("step", STEPS)
def test_nobody_settles_a_report_about_themselves(
    step: str, asha: ApiClient, mina: ApiClient, person: Callable[[str], ApiClient]
) -> None:
    """Whatever it is of and wherever it stands, with the right version or another; somebody else can."""
    nils = make_moderator(person("nils"))
    for one in of_mina(mina):
        report, version = asha.report(one)["report"]["id"], "1"
        if step != "claim":
            version = nils.claim(report)["report"]["version"]
        if step == "reopen":
            version = nils.resolve(report, "DISMISSED", version)["report"]["version"]
        with nothing_written():
            for seen in (version, "9"):
                answer = STEPS[step](mina, report, seen)
                assert (answer["__typename"], answer["code"]) == ("ForbiddenError", "FORBIDDEN")
                assert "asha" not in str(answer)
        assert STEPS[step](nils, report, version)["applied"] == "WRITTEN"


def test_moderators_settle_what_they_have_reported(asha: ApiClient, mina: ApiClient) -> None:
    """Who sees something in passing reports it, and may be the only moderator there is."""
    report = mina.report(asha.create_whisper()["whisper"]["id"])["report"]["id"]
    assert mina.resolve(report, "MARKED_NSFW")["applied"] == "WRITTEN"


def test_what_was_kept_goes_with_the_last_report_of_it(
    asha: ApiClient, bilal: ApiClient, person: Callable[[str], ApiClient]
) -> None:
    """Reporters leave one after the other: nothing is kept for nobody."""
    other = person("chitra")
    story = asha.published_story()["id"]
    for reporter in (bilal, other):
        assert reporter.report(story)["applied"] == "WRITTEN"
    for left, reporter in ((1, bilal), (0, other)):
        leave(reporter)
        sweeping.sweep(reporter.person.pk)
        assert (Report.objects.count(), Evidence.objects.count()) == (left, left)
