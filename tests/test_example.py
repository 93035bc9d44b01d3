"""The example app is built from its lock, fits its types, and does in a real browser what it shows."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from katha_client import Client

from tests.schema.webdriver import Browser, browser, missing, until
from tests.serving import ROOT, free_port

APP = ROOT / "examples" / "app"
PASSWORD = "katha-demo-people-only"
PATIENCE_SECONDS = 300
TYPE = """
const field = document.querySelector(arguments[0]);
Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), "value").set.call(field, arguments[1]);
field.dispatchEvent(new Event("input", { bubbles: true }));
"""
"""What a person's typing does to a field that React looks after."""

pytestmark = pytest.mark.skipif(
    shutil.which("npm") is None, reason="npm is not on this machine: install Node.js 20.19 or newer"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built app. `make test` has fetched what it needs before; a copy of the client is part of that."""
    if not (APP / "node_modules" / ".ready").exists():
        run("make", "examples/app/node_modules/.ready", folder=ROOT)
    out = tmp_path_factory.mktemp("app")
    run("npm", "run", "build", "--", "--outDir", str(out), "--emptyOutDir", folder=APP)
    return out


def run(*command: str, folder: Path) -> None:
    """Run it; what it printed is shown if it fails."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    ran = subprocess.run(command, cwd=folder, timeout=PATIENCE_SECONDS, check=False, **pipes)
    assert ran.returncode == 0, ran.stdout[-10_000:]


def test_it_fits_its_types_and_is_built(built: Path) -> None:
    assert (built / "index.html").is_file()


def test_its_files_are_few_and_short() -> None:
    sources = [path for path in (APP / "src").iterdir() if path.is_file()]
    assert len(sources) < 20
    assert max(len(path.read_text().splitlines()) for path in sources) < 200


def test_its_lock_names_no_address() -> None:
    assert "://" not in (APP / "package-lock.json").read_text()


@pytest.fixture
def app(built: Path, live_url: str) -> Iterator[str]:
    """The address of the app, served by vite, with a way to the server."""
    port = free_port()
    command = [
        "node",
        "node_modules/vite/bin/vite.js",
        "preview",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--strictPort",
        "--outDir",
        str(built),
    ]
    process = subprocess.Popen(command, cwd=APP, env={**os.environ, "KATHA": live_url}, stdout=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(bool(missing()), reason=f"not on this machine: {', '.join(missing())}")
def test_a_person_signs_in_follows_edits_and_orders(app: str, live_url: str) -> None:
    """Each is on the server afterwards, as another client sees it; where both wrote the same, the person was asked."""
    with Client(f"{live_url}/graphql") as katha, browser() as page:
        katha.sign_in("asha", PASSWORD)
        until(lambda: page.open(app) or True, "the app is served")
        clicks(page, "//button[.='Sign in']")
        follows(page, katha)
        edits(page, katha)
        orders(page, katha, app)
        assert [one for one in page.complaints() if "favicon" not in one] == []


def shows(page: Browser, xpath: str) -> bool:
    script = "return document.evaluate(arguments[0], document, null, XPathResult.BOOLEAN_TYPE).booleanValue"
    return bool(page.run(script, f"boolean({xpath})"))


def clicks(page: Browser, xpath: str) -> None:
    """Click, once it is there."""
    until(lambda: shows(page, xpath), f"there is {xpath}")
    page.click(xpath)


def follows(page: Browser, katha: Client) -> None:
    count = "{ viewer { followingCount } }"
    before = katha.query(count)["viewer"]["followingCount"]
    clicks(page, "(//button[@aria-pressed='false'])[1]")
    until(lambda: katha.query(count)["viewer"]["followingCount"] == before + 1, "the server knows")


def edits(page: Browser, katha: Client) -> None:
    clicks(page, "//a[.='Write']")
    clicks(page, "(//main//li/a)[1]")
    until(lambda: shows(page, "//*[@data-status='saved']"), "the chapter is there")
    chapter = page.run("return location.hash.split('/').at(-1)")

    def stored() -> Any:
        found = katha.query("query($id: ID!) { node(id: $id) { ... on Chapter { version body } } }", {"id": chapter})
        return found["node"]

    write = """mutation($id: ID!, $body: String!, $version: Version!, $key: UUID) {
      updateChapter(id: $id, patch: {body: $body}, expect: {version: $version}, key: $key) { __typename } }"""

    def other_device(body: str) -> None:
        katha.query(write, {"id": chapter, "body": body, "version": stored()["version"]})

    page.run(TYPE, "textarea", "one\n\ntwo, typed here")
    until(lambda: stored()["body"] == "one\n\ntwo, typed here", "it is saved by itself")
    other_device("one, from elsewhere\n\ntwo, typed here")
    until(lambda: page.run("return document.querySelector('textarea').value").startswith("one, from"), "it comes in")
    page.run(TYPE, "textarea", "one, mine\n\ntwo, typed here")
    other_device("one, theirs\n\ntwo, typed here")
    until(lambda: shows(page, "//dialog[@open]"), "the person is asked")
    assert shows(page, "//dialog//legend[contains(., 'one, from elsewhere')]")
    page.press("Escape")
    until(lambda: not shows(page, "//dialog"), "it can be put off")
    clicks(page, "//button[.='Decide']")
    clicks(page, "//dialog//label[contains(., 'Theirs: one, theirs')]/input")
    clicks(page, "//dialog//button[.='Save this']")
    until(lambda: shows(page, "//*[@data-status='saved']") and not shows(page, "//dialog"), "it is decided")
    assert stored()["body"] == "one, theirs\n\ntwo, typed here"


def orders(page: Browser, katha: Client, app: str) -> None:
    listed = katha.query("{ editions(first: 50) { edges { node { stock story { id author { handle } } } } } }")
    sold = [edge["node"] for edge in listed["editions"]["edges"]]
    story = next(one["story"] for one in sold if one["stock"] and one["story"]["author"]["handle"] != "asha")
    orders = "{ orders(first: 100) { edges { node { id } } } }"
    before = len(katha.query(orders)["orders"]["edges"])
    page.open(f"{app}/#/read/{story['id']}")
    clicks(page, "(//button[.='Order'])[1]")
    until(lambda: shows(page, "//*[@role='status'][starts-with(., 'Ordered')]"), "it is ordered")
    assert len(katha.query(orders)["orders"]["edges"]) == before + 1
