"""Two people at one story in a real browser: each sees what the other writes, and nothing is lost."""

import os
import re
import signal
import time
from collections.abc import Iterator

import pytest
from django.core.management import call_command

from tests.depth import EXHAUSTIVE
from tests.schema.together_page import Page, needed, opened
from tests.schema.webdriver import until
from tests.serving import PATIENCE_SECONDS, free_port, serving, start

pytestmark = needed

TYPING_SECONDS = 60 if EXHAUSTIVE else 8
"""For how long both type while the server is restarted."""
TYPING = """
window.typed = [[], []];
const areas = document.querySelectorAll('.pane textarea');
window.typing = setInterval(() => areas.forEach((area, pane) => {
  const word = `w${pane}x${window.typed[pane].length}`;
  window.typed[pane].push(word);
  const paragraphs = area.value.split('\\n\\n');
  paragraphs[pane] += ` ${word}`;
  area.value = paragraphs.join('\\n\\n');
  area.dispatchEvent(new InputEvent('input'));
}), 70);
"""


@pytest.fixture
def page(live_url: str) -> Iterator[Page]:
    """Both panes, ready to be written in."""
    with opened(f"{live_url}/together") as page:
        yield page


def test_each_sees_what_the_other_writes(page: Page) -> None:
    """Paragraphs of both come together as they are typed, the caret stays where it was, and each is told of both."""
    for pane in range(2):
        until(lambda pane=pane: {"Asha", "Bilal"} <= set(re.findall(r"\w+", page.here(pane))), "both are here")
    page.session.click("(//textarea)[1]")
    page.session.run("document.activeElement.setSelectionRange(3, 3)")
    page.type(1, 0, " TWO")
    assert page.saved()[0].endswith(" TWO")
    page.session.press("!")
    assert page.saved()[0].startswith("The!")
    page.type(0, 2, " ONE")
    assert page.saved()[2].endswith(" ONE")
    assert page.session.complaints() == []


def test_a_lost_request_and_a_lost_reply_are_sent_again_with_one_key(page: Page) -> None:
    """The list below shows it: the same key twice, and of a reply that was lost the first one again."""
    for loss, again in (("request", "WRITTEN"), ("reply", "REPLAYED")):
        before = len(page.writes(0))
        page.press(0, f"Lose the next {loss}")
        page.type(0, 0, f" {loss}")
        assert f" {loss}" in page.saved()[0]
        first, second = page.writes(0)[before:]
        assert first.endswith(f"{loss} lost")
        assert second.endswith(again)
        assert re.findall(r"key \w+", first) == re.findall(r"key \w+", second) != []
    assert page.session.complaints() == []


def test_what_is_typed_offline_is_sent_later_and_survives_a_reload(page: Page, live_url: str) -> None:
    """Beside what the other has written meanwhile."""
    page.press(0, "Offline")
    page.type(0, 0, " offline")
    page.type(1, 2, " meanwhile")
    until(lambda: page.statuses()[0].startswith("Nobody answers"), "it is noticed")
    until(lambda: page.statuses()[1] == "Saved", "the other one has saved")
    assert " meanwhile" not in page.texts()[0]
    page.open(f"{live_url}/together")
    first, _, third = page.saved()
    assert first.endswith(" offline")
    assert third.endswith(" meanwhile")


def test_the_same_words_are_a_question(page: Page) -> None:
    """With base, mine and theirs; it is answered by keyboard alone, and both have the answer."""
    base = page.texts()[0].split("\n\n")[1]
    page.press(0, "Offline")
    page.type(0, 1, " Mine.")
    page.type(1, 1, " Theirs.")
    until(lambda: page.statuses()[1] == "Saved", "the other one has saved")
    page.press(0, "Offline")
    until(lambda: page.statuses()[0] == "Both have changed the same words", "it is asked")
    sides = page.session.run("return [...document.querySelectorAll('.conflict dd')].map((side) => side.textContent)")
    assert sides == [base, f"{base} Mine.", f"{base} Theirs."]
    assert "Bilal" in str(page.session.run("return document.querySelector('.conflict .who').textContent"))
    page.session.run("document.querySelector('.conflict input:checked').focus()")
    page.session.press("Left", "Tab", "Enter")  # from Both to Theirs, then the button
    assert page.saved()[1] == f"{base} Theirs."
    assert not page.session.run("return [...document.querySelectorAll('.conflict')].some((one) => !one.hidden)")


def test_it_can_be_used_by_keyboard_alone(page: Page) -> None:
    """From the top of the page Tab reaches every field and button of the first pane, and Space presses one."""
    page.session.run("document.querySelector('.brand').focus()")
    seen = []
    while not seen or (seen[-1] != "Offline" and len(seen) < 20):
        page.session.press("Tab")
        seen.append(page.session.focused()["label"])
    assert seen[-5:] == ["Chapter", "Text", "Lose the next request", "Lose the next reply", "Offline"]
    page.session.press("Space")
    assert page.session.run("return document.activeElement.getAttribute('aria-pressed')") == "true"


def test_it_fits_a_telephone_in_the_dark(live_url: str) -> None:
    """Nothing is wider than the screen, and one pane alone is one person's."""
    with opened(f"{live_url}/together?as=bilal", panes=1, width=390) as page:
        page.session.prefer("dark")
        page.type(0, 0, " on the train")
        page.saved()
        assert page.session.run("return document.documentElement.scrollWidth") <= 390
        background = page.session.run("return getComputedStyle(document.body).backgroundColor")
        assert background == "rgb(17, 24, 39)"


def test_both_type_while_the_server_is_restarted(served_database: str, transactional_db: None) -> None:
    """In the end both have the same text, with every word once: what was under way when the server stopped, too."""
    call_command("demo", people=40, stories=60, verbosity=0)
    port = free_port()
    with serving(served_database, port=port) as (address, process), opened(f"{address}/together") as page:
        page.session.run(TYPING)
        time.sleep(TYPING_SECONDS / 3)
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=PATIENCE_SECONDS)
        time.sleep(TYPING_SECONDS / 3)
        other = start(served_database, port, "--no-worker")
        try:
            time.sleep(TYPING_SECONDS / 3)
            until(lambda: page.statuses()[0] in ("Saved", "Saving …", "Typing …"), "the server is back")
            typed = page.session.run("clearInterval(window.typing); return window.typed")
            texts = page.saved()
        finally:
            os.killpg(other.pid, signal.SIGTERM)
            other.wait(timeout=PATIENCE_SECONDS)
    for pane, words in enumerate(typed):
        assert len(words) > TYPING_SECONDS
        assert re.findall(rf"w{pane}x\d+", texts[pane]) == words
