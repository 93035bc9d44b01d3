"""The page /together in a headless Chromium: what two people do on it, and what they read from it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from schema.server.together.assets import is_built
from tests.schema.webdriver import OFFLINE, Browser, browser, missing, until

needed = [
    pytest.mark.skipif(bool(missing()), reason=f"not on this machine, install them: {', '.join(missing())}"),
    pytest.mark.skipif(not is_built(), reason="the page's script is not built: make clients (needs npm)"),
]
"""The marks of a module whose tests open the page."""

PANES = "[...document.querySelectorAll('.pane')]"
TYPE = """
const area = document.querySelectorAll('.pane textarea')[arguments[0]];
const paragraphs = area.value.split('\\n\\n');
paragraphs[arguments[1]] += arguments[2];
area.value = paragraphs.join('\\n\\n');
area.dispatchEvent(new InputEvent('input'));
"""


@contextmanager
def opened(url: str, *, panes: int = 2, width: int = 1280) -> Iterator["Page"]:
    """The page, ready to be written on, by somebody who has never been here, on a machine with no network."""
    with browser(OFFLINE) as session:
        session.size(width)
        page = Page(session)
        page.open(url, panes)
        yield page


class Page:
    """The page in one browser. Panes are counted from 0."""

    def __init__(self, session: Browser) -> None:
        self.session = session

    def open(self, url: str, panes: int = 2) -> None:
        """Go there, and wait until everybody can write."""
        self.session.open(url)
        until(lambda: self.statuses() == ["Saved"] * panes, f"all are there; they say {self.statuses()}")

    def statuses(self) -> list[str]:
        """What each pane says of its text."""
        return list(self.session.run(f"return {PANES}.map((pane) => pane.querySelector('.status').textContent)"))

    def texts(self) -> list[str]:
        """The text in each pane."""
        return list(self.session.run(f"return {PANES}.map((pane) => pane.querySelector('textarea').value)"))

    def here(self, pane: int) -> str:
        """Who is here, as this pane says."""
        return str(self.session.run(f"return {PANES}[arguments[0]].querySelector('.here').textContent", pane))

    def log(self, pane: int) -> list[str]:
        """What was sent and answered, the oldest first."""
        script = f"return [...{PANES}[arguments[0]].querySelectorAll('.log summary')].map((line) => line.textContent)"
        return list(reversed(self.session.run(script, pane)))

    def writes(self, pane: int) -> list[str]:
        """The saves among them."""
        return [line for line in self.log(pane) if line.startswith("Save")]

    def type(self, pane: int, paragraph: int, text: str) -> None:
        """Type at the end of a paragraph."""
        self.session.run(TYPE, pane, paragraph, text)

    def press(self, pane: int, label: str) -> None:
        """Press a button of a pane, as a person does."""
        self.session.click(f"(//section[@class='pane'])[{pane + 1}]//button[.='{label}']")

    def saved(self) -> list[str]:
        """Wait until all is saved and both have the same; the text, by paragraphs."""

        def done() -> bool:
            texts = self.texts()
            return set(self.statuses()) == {"Saved"} and len(set(texts)) == 1

        until(done, "both have the same text, and it is saved")
        return self.texts()[0].split("\n\n")
