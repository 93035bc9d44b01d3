"""A stranger's first five minutes in a real browser: choose a person, make a conflict, resolve it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from schema.server.explorer.assets import vendored
from tests.schema.webdriver import Browser, browser, missing, until

pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=f"not on this machine: {', '.join(missing())}"),
    pytest.mark.skipif(not vendored(), reason="GraphiQL's own files are not built: make explorer (needs npm)"),
]

# No name but the server's own resolves, so whatever the page needs must come from there.
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"


@pytest.fixture
def page(live_url: str) -> Iterator["Page"]:
    """GraphiQL, opened by somebody who has never been here, on a machine with no network."""
    with browser(OFFLINE) as session:
        session.open(f"{live_url}/graphql")
        yield Page(session)


class Page:
    """What a person does on the page and reads from it."""

    def __init__(self, session: Browser) -> None:
        """Wait until GraphiQL can be used."""
        self.session = session
        editors = "return document.querySelectorAll('.CodeMirror').length"
        until(lambda: session.run(editors) == 4, "GraphiQL is there")
        until(lambda: not self.bar.startswith("Looking"), "the bar knows who is signed in")

    @property
    def bar(self) -> str:
        """The line of the bar that says who is signed in and what was sent."""
        return str(self.session.run("return document.getElementById('status').textContent"))

    @property
    def variables(self) -> str:
        """The text of the variables editor."""
        return self._editor(".graphiql-editor-tool .CodeMirror")

    def choose(self, handle: str) -> None:
        """Sign in as a demo person, by the bar."""
        self.session.click(f"//select[@id='who']/option[@value='{handle}']")
        until(lambda: f"@{handle}" in self.bar, f"{handle} is signed in")

    def sign_out(self) -> None:
        """Leave, by the bar."""
        self.session.click("//select[@id='who']/option[@value='']")
        until(lambda: self.bar.startswith("Nobody"), "nobody is signed in")

    def tab(self, name: str) -> None:
        """Open one of the prepared tabs."""
        self.session.click(f"//button[contains(@class, 'graphiql-tab-button') and .='{name}']")

    def play(self) -> dict[str, Any]:
        """Press Play; the answer's data."""
        self.session.run("document.querySelector('.result-window .CodeMirror').CodeMirror.setValue('')")
        self.session.click("//button[contains(@class, 'graphiql-execute-button')]")
        text = until(lambda: self._editor(".result-window .CodeMirror"), "an answer is shown")
        answer: dict[str, Any] = json.loads(text)
        assert "errors" not in answer, text
        return dict(answer["data"])

    def _editor(self, css: str) -> str:
        return str(self.session.run("return document.querySelector(arguments[0]).CodeMirror.getValue()", css))


def test_a_conflict_in_two_clicks_and_its_retry_in_a_third(page: Page) -> None:
    """A stranger types nothing, reads what happened, and can play it again."""
    page.choose("asha")
    for _round in range(2):
        page.tab("Conflict")
        first = page.play()["updateProfile"]
        assert (first["__typename"], first["applied"]) == ("ProfileSuccess", "WRITTEN")

        second = page.play()["updateProfile"]
        assert second["__typename"] == "ConflictError"
        assert second["retry"]["kind"] == "REBASE"
        assert second["current"]["version"] == first["person"]["version"] != second["expected"]
        (overlap,) = second["overlaps"]
        assert (overlap["path"], overlap["theirs"]) == ("bio", first["person"]["bio"])
        assert f"viewer.version = {second['expected']}" in page.bar

        page.tab("Retry")
        third = page.play()["updateProfile"]
        assert (third["__typename"], third["applied"]) == ("ProfileSuccess", "WRITTEN")
        assert f"person.version = {second['current']['version']}" in page.bar


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
    page.tab("Conflict")
    with pytest.raises(AssertionError, match="Choose a person in the bar first"):
        page.play()


def test_the_browser_has_nothing_to_complain_about(page: Page) -> None:
    """Nothing is refused by the page's own policy, looked for elsewhere, or missing."""
    assert page.variables.strip() == '{ "friend": "<friend.handle>" }'
    page.choose("bilal")
    page.sign_out()
    assert page.session.complaints() == []
