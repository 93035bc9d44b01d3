"""GraphiQL without a mouse, on screens of three widths, and links to documents."""

from collections.abc import Iterator
from typing import Any

import pytest

from schema.server.explorer.examples import examples
from tests.schema.graphiql import ANSWER, DOCUMENT, VARIABLES, Page, needed, opened
from tests.schema.webdriver import until

pytestmark = needed

ENOUGH = 90
"""More stops than the page has: whoever has pressed Tab so often and is not back is trapped."""
WHERE = "return document.activeElement.className"
IN_EDITOR = "return Boolean(document.activeElement.closest('.monaco-editor'))"


@pytest.fixture
def page(live_url: str) -> Iterator[Page]:
    """GraphiQL, for somebody who has never been here."""
    with opened(f"{live_url}/graphql") as page:
        yield page


def tab_to(page: Page, label: str) -> None:
    """Press Tab until what has this label has the focus."""
    for _stop in range(ENOUGH):
        if label in page.session.focused()["label"]:
            return
        page.session.press("Tab")
    raise AssertionError(f"Tab never came to {label}.")


def choose_by_keyboard(page: Page) -> None:
    """Sign in as the first demo person."""
    tab_to(page, "Signed in as")
    page.session.press("Down")
    until(lambda: "Signed in as @" in page.bar, "somebody is signed in")


# --- By keyboard ------------------------------------------------------------------------------------------------


def test_tab_goes_round_the_whole_page_and_each_stop_is_named_and_seen(page: Page) -> None:
    """Nothing holds the keyboard; each stop has a role, a name and an outline."""
    tab_to(page, "To the document")
    stops: list[dict[str, str]] = []
    outline = "const style = getComputedStyle(document.activeElement); return style.outlineStyle + style.outlineWidth"
    for _stop in range(ENOUGH):
        page.session.press("Tab")
        if page.session.run("return document.activeElement === document.body"):
            break
        stops.append(page.session.focused())
        assert stops[-1]["label"], page.session.run("return document.activeElement.outerHTML.slice(0, 300)")
        assert page.session.run(outline) == "solid2px", stops[-1]
    else:
        raise AssertionError("Tab never came to the end of the page.")
    labels = [stop["label"] for stop in stops]
    for label in (
        "Signed in as",
        "Copy link",
        "Welcome",
        "SignIn",
        "Execute query (Ctrl-Enter)",
        "Variables",
        "Headers",
    ):
        assert label in labels
    frames = [label for label in labels if label.endswith("Enter goes in, Tab goes on")]
    assert [frame.partition(":")[0] for frame in frames] == ["Document", "Variables", "Answer"]


def test_tab_leaves_every_editor_and_writes_nothing(page: Page) -> None:
    """Forwards and backwards. How is said on the page."""
    assert "Tab leaves it" in page.session.run("return document.querySelector('.keys').innerText")
    for name, file in (("Document", DOCUMENT), ("Variables", VARIABLES), ("Answer", ANSWER)):
        before = page.text(file)
        for leave in ("Tab", "Shift+Tab"):
            tab_to(page, f"{name}: Enter goes in")
            page.session.press("Enter")
            assert page.session.run(IN_EDITOR)
            assert "Tab leaves it" in page.session.focused()["label"]
            page.session.press(leave)
            assert not page.session.run(IN_EDITOR)
        assert page.text(file) == before
    tab_to(page, "Document: Enter goes in")
    page.session.press("Enter", "#")
    assert page.text(DOCUMENT).startswith("#"), "what is typed in an editor is written"
    assert page.text(DOCUMENT) != before


def test_every_prepared_step_is_played_without_a_mouse(page: Page) -> None:
    """Arrows to the tab, Enter to open it, Ctrl+Enter to play it from there."""
    choose_by_keyboard(page)
    tab_to(page, "Welcome")
    names = page.session.run(
        "return [...document.querySelectorAll('.graphiql-tab-button')].map((tab) => tab.textContent)"
    )
    assert len(names) == len(examples())
    for name in names:
        assert page.session.focused() == {"role": "button", "label": name}
        page.session.press("Enter")
        until(lambda name=name: f" {name}" in page.text(DOCUMENT), "the tab is open")
        for expected in ("Success", "ConflictError") if name == "Conflict" else ("Success",):
            page.write(ANSWER, "")
            page.session.press("Ctrl+Enter")
            answer = list(page.answer().values())[-1]
            assert name in ("Welcome", "Watch") or answer["__typename"].endswith(expected), (name, answer)
        page.session.press("ArrowRight")


@pytest.mark.parametrize("key", ["Space", "Enter"])
def test_the_play_button_is_pressed_by_keys(page: Page, key: str) -> None:
    tab_to(page, "Execute query")
    page.session.press(key)
    assert page.answer()["friend"]["handle"]


def test_a_conflict_is_read_by_keyboard_and_by_ear(page: Page) -> None:
    """The bar announces it; each side is a stop with a name that says what it is."""
    choose_by_keyboard(page)
    tab_to(page, "Conflict")
    page.session.press("Enter")
    for _time in range(2):
        page.write(ANSWER, "")
        page.session.press("Ctrl+Enter")
        page.answer()
    announced = "const bar = document.getElementById('status'); return [bar.tagName, bar.textContent]"
    element, text = page.session.run(announced)
    assert element == "OUTPUT"
    assert "Conflict: base, mine and theirs stand below the answer" in text
    tab_to(page, "Base: what both knew")
    assert page.session.focused()["role"] == "region"
    for label in ("Mine: what was sent, and not written", "Theirs: what stands there now"):
        page.session.press("Tab")
        assert page.session.focused() == {"role": "region", "label": label}


# --- On screens of three widths ---------------------------------------------------------------------------------

WRAPPED = """
const editor = __MONACO.editor.getEditors().find((one) => one.getModel().uri.path.endsWith("operation.graphql"));
const lines = editor.getValue().split("\\n");
const spoken = lines.filter((line) => line.startsWith("#")).length;
const height = (line) => editor.getTopForLineNumber(line + 1) - editor.getTopForLineNumber(line);
const wrapped = lines.slice(0, spoken).filter((_line, index) => height(index + 1) !== height(1));
return {wrapped, below: editor.getTopForLineNumber(spoken + 1) - editor.getLayoutInfo().height};
"""


def test_instructions_are_whole_on_a_laptop(page: Page) -> None:
    """At 1280 x 800 no line of them is wrapped or hidden, in any tab."""
    page.session.size(1280, 800)
    for name in page.session.run(
        "return [...document.querySelectorAll('.graphiql-tab-button')].map((tab) => tab.textContent)"
    ):
        page.tab(name)
        seen: dict[str, Any] = page.session.run(WRAPPED)
        assert seen["wrapped"] == [], name
        assert seen["below"] <= 0, name


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_the_answer_can_be_read(page: Page, width: int) -> None:
    """It is in sight after Play, wide and high enough, and nothing runs out of the page; so are the sides of a conflict."""
    page.session.size(width, 844)
    page.choose("asha")
    page.tab("Conflict")
    page.play()
    page.play()
    box = "const {{x, y, width, height}} = document.querySelector('{}').getBoundingClientRect(); return {{x, y, width, height}}"
    answer = page.session.run(box.format(".result-window"))
    assert answer["width"] >= min(width * 0.8, 500)
    assert answer["height"] >= 300
    assert 0 <= answer["y"] <= 844 - 300
    assert page.session.run("return document.documentElement.scrollWidth <= innerWidth")
    bottom = "document.querySelector('main').getBoundingClientRect().bottom + scrollY"
    below = f"return document.documentElement.scrollHeight - ({bottom})"
    assert page.session.run(below) < 2, "the page ends where GraphiQL ends"
    sides = page.session.run(
        "return [...document.querySelectorAll('.side')].map((side) => side.getBoundingClientRect().toJSON())"
    )
    assert len(sides) == 3
    for side in sides:
        assert side["width"] >= 150
        assert side["height"] >= 40
        assert 0 <= side["x"] < side["x"] + side["width"] <= width
    assert (len({side["y"] for side in sides}) == 1) is (width > 640)


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_a_conflict_has_contrast(page: Page, scheme: str) -> None:
    """Its words stand out from what is behind them by 7 to 1, which is AAA of WCAG."""
    page.session.prefer(scheme)
    page.choose("asha")
    page.tab("Conflict")
    page.play()
    page.play()
    style = "const style = getComputedStyle(document.querySelector('.side ins'));"
    colours = f"{style} return [style.color, style.backgroundColor]"
    bright, dim = sorted(map(luminance, page.session.run(colours)), reverse=True)
    assert (bright + 0.05) / (dim + 0.05) >= 7


def luminance(colour: str) -> float:
    """The relative luminance of `rgb(…)`, as WCAG defines it."""
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# --- Links ------------------------------------------------------------------------------------------------------

RENAME = """mutation Rename($patch: ProfilePatch!, $expect: Expect!) {
  updateProfile(patch: $patch, expect: $expect) { __typename }
}"""
SENT = "return performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation')).map((one) => one.name)"


def test_a_link_opens_a_document_and_plays_nothing(page: Page) -> None:
    """Somebody else gets the document and its variables, and no header; the server is told nothing of it."""
    page.choose("asha")
    page.write(DOCUMENT, RENAME)
    page.write(VARIABLES, '{"patch": {"bio": "By a link"}, "expect": {"version": "<viewer.version>"}}')
    page.write("request-headers.json", '{"Authorization": "Bearer secret-token"}')
    page.session.run(
        "Object.defineProperty(navigator, 'clipboard', {value: {writeText: async (text) => (window.copied = text)}})"
    )
    tab_to(page, "Copy link")
    page.session.press("Enter")
    until(lambda: page.bar.startswith("The link is copied"), "the link is copied")
    link = str(page.session.run("return window.copied"))
    assert "secret-token" not in link
    address, fragment = link.split("#")
    assert fragment.startswith("query=mutation+Rename")

    page.open(link)
    until(lambda: page.bar.startswith("Opened from a link: nothing is sent"), "the bar says so")
    assert page.text(DOCUMENT) == RENAME
    assert '"By a link"' in page.text(VARIABLES)
    assert page.text("request-headers.json") == ""
    assert page.text(ANSWER) == ""
    assert page.session.run("return location.href") == address
    assert not [url for url in page.session.run(SENT) if "Rename" in url and "#" not in url]
    bio = "return fetch('/graphql?query={person(handle:\"asha\"){bio}}').then((answer) => answer.json())"
    assert page.session.run(bio)["data"]["person"]["bio"] != "By a link"

    assert page.play()["updateProfile"]["__typename"] == "ProfileSuccess"
    assert page.session.run(bio)["data"]["person"]["bio"] == "By a link"


def test_a_link_opens_for_whoever_was_never_here_and_where_the_page_is_open(live_url: str) -> None:
    """Beside the prepared tabs, which are all there."""
    count = "return document.querySelectorAll('.graphiql-tab-button').length"
    with opened(f"{live_url}/graphql#query=query+One+%7B+stories%28first%3A+1%29+%7B+__typename+%7D+%7D") as page:
        assert page.text(DOCUMENT) == "query One { stories(first: 1) { __typename } }"
        assert page.text(VARIABLES) == ""
        assert page.session.run(count) == len(examples()) + 1
        assert page.play() == {"stories": {"__typename": "StoryConnection"}}
        page.session.run("location.hash = 'query=query+Two+%7B+viewer+%7B+id+%7D+%7D'")
        until(lambda: page.text(DOCUMENT) == "query Two { viewer { id } }", "the second link is open")
        until(lambda: page.session.run(count) == len(examples()) + 2, "it is one more tab")
        assert page.text(ANSWER) == ""
