"""GraphiQL in a headless Chromium: what a person does on the page, and what they read from it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from schema.server.explorer.assets import vendored
from tests.schema.webdriver import OFFLINE, Browser, browser, missing, until

needed = [
    pytest.mark.skipif(bool(missing()), reason=f"not on this machine: {', '.join(missing())}"),
    pytest.mark.skipif(not vendored(), reason="GraphiQL's own files are not built: make explorer (needs npm)"),
]
"""The marks of a module whose tests open the page."""

DOCUMENT, VARIABLES, ANSWER = "operation.graphql", "variables.json", "response.json"
MODEL = "__MONACO.editor.getModels().find((model) => model.uri.path.endsWith(arguments[0]))"


@contextmanager
def opened(url: str, width: int = 1280) -> Iterator["Page"]:
    """GraphiQL at this URL, opened by somebody who has never been here, on a machine with no network."""
    with browser(OFFLINE) as session:
        session.size(width)
        yield Page(session, url)


class Page:
    """The page in one browser."""

    def __init__(self, session: Browser, url: str) -> None:
        """Open it."""
        self.session = session
        self.open(url)

    def open(self, url: str) -> None:
        """Go there, and wait until GraphiQL can be used."""
        self.session.open(url)
        self.is_ready()

    def is_ready(self) -> None:
        """Wait until GraphiQL can be used."""
        editors = (
            "return globalThis.__MONACO?.editor.getEditors().filter((one) => one.getRawOptions().ariaLabel).length"
        )
        until(lambda: self.session.run(editors) == 4, "GraphiQL is there")
        until(lambda: not self.bar.startswith("Looking"), "the bar knows who is signed in")

    @property
    def bar(self) -> str:
        """The line of the bar that says who is signed in and what was sent."""
        return str(self.session.run("return document.getElementById('status').textContent"))

    def text(self, file: str) -> str:
        """The text of an editor."""
        return str(self.session.run(f"return {MODEL}.getValue()", file))

    def write(self, file: str, text: str) -> None:
        """Replace the text of an editor."""
        self.session.run(f"{MODEL}.setValue(arguments[1])", file, text)

    def choose(self, handle: str) -> None:
        """Sign in as a demo person, by the bar."""
        self.session.click(f"//select[@id='who']/option[@value='{handle}']")
        until(lambda: f"Signed in as @{handle}" in self.bar, f"{handle} is signed in")

    def sign_out(self) -> None:
        """Leave, by the bar."""
        self.session.click("//select[@id='who']/option[@value='']")
        until(lambda: self.bar.startswith("Nobody"), "nobody is signed in")

    def tab(self, name: str) -> None:
        """Open one of the prepared tabs."""
        self.session.click(f"//button[contains(@class, 'graphiql-tab-button') and .='{name}']")

    def play(self) -> dict[str, Any]:
        """Press Play; the answer's data."""
        self.write(ANSWER, "")
        self.session.click("//button[contains(@class, 'graphiql-execute-button')]")
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """The data of the answer that comes."""
        text = until(lambda: self.text(ANSWER), "an answer is shown")
        answer: dict[str, Any] = json.loads(text)
        assert "errors" not in answer, text
        return dict(answer["data"])

    def conflicts(self) -> list[dict[str, str]]:
        """The overlaps that are shown below the answer: each side's label with its texts."""
        return list(
            self.session.run(
                "return [...document.querySelectorAll('#conflicts .conflict')].map((one) => Object.fromEntries("
                "[...one.querySelectorAll('.side')].map((side) => [side.getAttribute('aria-label'),"
                " [...side.querySelectorAll('p')].map((p) => p.textContent).join('|')])))"
            )
        )
