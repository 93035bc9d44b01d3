"""A stranger's first five minutes in a real browser: choose a person, make a conflict, resolve it."""

import re
from collections.abc import Iterator

import pytest

from tests.schema.graphiql import VARIABLES, Page, needed, opened

pytestmark = needed


@pytest.fixture
def page(live_url: str) -> Iterator[Page]:
    """GraphiQL, for somebody who has never been here."""
    with opened(f"{live_url}/graphql") as page:
        yield page


def test_a_conflict_in_two_clicks_and_its_retry_in_a_third(page: Page) -> None:
    """A stranger types nothing, reads what happened, and can play it again."""
    page.choose("asha")
    for _round in range(2):
        page.tab("Conflict")
        first = page.play()["updateChapter"]
        assert (first["__typename"], first["applied"]) == ("ChapterSuccess", "WRITTEN")
        assert page.conflicts() == []

        second = page.play()["updateChapter"]
        assert second["__typename"] == "ConflictError"
        assert second["retry"]["kind"] == "REBASE"
        assert second["current"]["version"] == first["saved"]["version"] != second["expected"]
        (overlap,) = second["overlaps"]
        assert (overlap["path"], overlap["theirs"]) == ("title", first["saved"]["title"])
        assert overlap["base"] not in (None, overlap["mine"], overlap["theirs"])
        assert f"chapters.version = {second['expected']}" in page.bar
        assert "base, mine and theirs stand below" in page.bar
        (shown,) = page.conflicts()
        sides = {label.partition(":")[0].lower(): text for label, text in shown.items()}
        assert sides == {side: overlap[side] for side in ("base", "mine", "theirs")}

        page.tab("Retry")
        assert page.conflicts() == []
        third = page.play()["updateChapter"]
        assert (third["__typename"], third["applied"]) == ("ChapterSuccess", "WRITTEN")
        assert f"chapter.version = {second['current']['version']}" in page.bar
        page.tab("Conflict")
        assert page.conflicts() == [shown]


def test_texts_that_collide_are_compared_paragraph_by_paragraph(page: Page) -> None:
    """What all sides have is only counted."""
    page.choose("asha")
    page.tab("CreateStory")
    page.play()
    page.tab("Merge")
    at_the_end = r'"<chapters.body>\n\nThe laptop, at <fresh.time>."'
    at_the_beginning = r'"The laptop, at <fresh.time>.\n\n<chapters.body>"'
    assert at_the_end in page.text(VARIABLES)
    page.write(VARIABLES, page.text(VARIABLES).replace(at_the_end, at_the_beginning))
    assert page.play()["laptop"]["__typename"] == "ConflictError"
    (shown,) = page.conflicts()
    base, mine, theirs = shown.values()
    same = "1 paragraph, the same on all sides"
    assert base == same
    assert re.fullmatch(rf"The laptop, at [\d:.]+\|{same}", mine)
    assert re.fullmatch(rf"The phone, at [\d:.]+\|{same}", theirs)


def test_every_prepared_tab_can_be_played_as_it_stands(page: Page) -> None:
    """In the order of the tabs each write succeeds: no placeholder is left, no version is stale."""
    page.choose("asha")
    welcome = page.play()
    assert welcome["viewer"]["handle"] == "asha"
    for name, field, success in (
        ("Follow", "follow", "RelationshipSuccess"),
        ("Block", "block", "RelationshipSuccess"),
        ("Unblock", "unblock", "RelationshipSuccess"),
        ("CreateStory", "createStory", "StorySuccess"),
        ("CreateStory", "createStory", "StorySuccess"),
        ("PublishStory", "publishStory", "StorySuccess"),
        ("Read", "recordView", "ReadingSuccess"),
        ("Whisper", "createWhisper", "WhisperSuccess"),
        ("Report", "report", "ReportSuccess"),
        ("Order", "placeOrder", "OrderSuccess"),
    ):
        page.tab(name)
        assert page.play()[field]["__typename"] == success
    page.tab("CreateStory")
    page.play()
    page.tab("Merge")
    for _round in range(2):
        saved = page.play()
        assert [saved[name]["applied"] for name in ("phone", "laptop")] == ["WRITTEN", "MERGED"]
    page.tab("SendTwice")
    twice = page.play()
    assert [twice[name]["applied"] for name in ("first", "again")] == ["WRITTEN", "REPLAYED"]
    page.tab("SignIn")
    assert page.play()["signIn"]["token"]


def test_whoever_is_signed_out_is_told_what_to_do(page: Page) -> None:
    """A write without a person is not sent with a made-up version; the page says what is missing."""
    assert "Nobody is signed in" in page.bar
    for tab in ("Conflict", "Retry", "Follow", "CreateStory", "Merge", "PublishStory", "SendTwice"):
        page.tab(tab)
        with pytest.raises(AssertionError, match="Choose a person in the bar first"):
            page.play()


def test_whoever_is_signed_in_is_told_what_to_play_first(page: Page) -> None:
    """By the name of the tab whose answer tells what is missing: after that it can be played."""
    page.choose("asha")
    for tab, first, times in (("Retry", "Conflict", 2), ("PublishStory", "CreateStory", 1)):
        page.tab(tab)
        with pytest.raises(AssertionError, match=f"Play {first} first"):
            page.play()
        page.tab(first)
        for _time in range(times):
            page.play()
        page.tab(tab)
        page.play()


def test_the_browser_has_nothing_to_complain_about(page: Page) -> None:
    """Nothing is refused by the page's own policy, looked for elsewhere, or missing."""
    assert page.text(VARIABLES).strip() == '{ "friend": "<friend.handle>" }'
    page.choose("bilal")
    page.sign_out()
    assert page.session.complaints() == []
